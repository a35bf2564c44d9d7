"""Bodies of the registration endpoints. Texts recorded from Consul 1.9.8."""

import pytest

from agent.http.call import HttpError
from agent.local.body import read_check, read_service, read_update
from catalog.duration import SECOND


def test_snake_case_keys_are_accepted_where_consul_does():
    definition = read_service(
        b'{"id":"i","name":"n","enable_tag_override":true,'
        b'"tagged_addresses":{"wan":{"address":"1.1.1.1","port":5}},'
        b'"check":{"CheckID":"c","ttl":"90s","deregister_critical_service_after":"60m"}}'
    )

    assert definition.enable_tag_override
    assert definition.tagged_addresses is not None
    assert definition.tagged_addresses["wan"].port == 5
    assert definition.check is not None
    assert (
        definition.check.ttl,
        definition.check.deregister_critical_service_after,
    ) == (90 * SECOND, 3600 * SECOND)


def test_args_are_the_script_of_a_check():
    assert read_check(b'{"Name":"c","Args":["true"]}').script_args == ("true",)
    assert read_check(b'{"Name":"c","script_args":["true"]}').script_args == ("true",)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"name":"n","check":{"check_id":"c"}}', "check_id"),
        (b'{"name":"n","Proxy":{"Modus":""}}', "Modus"),
        (b'{"Nope":1}', "Nope"),
    ],
)
def test_unknown_keys_are_refused(body, key):
    with pytest.raises(HttpError) as caught:
        read_service(body)

    assert (400, f'Request decode failed: json: unknown field "{key}"') == (
        caught.value.status,
        caught.value.text,
    )


def test_unknown_keys_within_connect_are_ignored():
    connect = read_service(b'{"Name":"n","Connect":{"Native":true,"Proxy":{}}}').connect

    assert connect is not None
    assert connect.native


def test_an_update_reads_raw_bytes():
    update = read_update(b'{"Status":"passing","Output":"bin \xff\xfe \\u0000 end"}')

    assert (update.status, update.output) == ("passing", "bin \ufffd\ufffd \x00 end")
