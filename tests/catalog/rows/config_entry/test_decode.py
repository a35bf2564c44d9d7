from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.duration import SECOND
from catalog.errors import BadRequest
from catalog.rows.config_entry import (
    KINDS,
    ServiceDefaults,
    ServiceIntentions,
    ServiceResolver,
    decode_entry,
    entry_to_json,
)
from catalog.rows.service import MeshGateway


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"Kind": "bogus", "Name": "x"}, "invalid config entry kind: bogus"),
        ({"Name": "x"}, "Payload does not contain a kind/Kind key at the top level"),
        ({"Kind": 1}, "Kind value in payload is not a string"),
        ([], "Config entry must be a JSON object"),
        (
            {"Kind": "service-defaults", "Name": "x", "Nope": 1},
            '1 error occurred:\n\t* invalid config key "Nope"\n\n',
        ),
        (
            {"Kind": "service-defaults", "Nope": 1, "MeshGateway": {"Bad": 1}},
            '2 errors occurred:\n\t* invalid config key "MeshGateway.Bad"\n'
            '\t* invalid config key "Nope"\n\n',
        ),
        (
            {"Kind": "service-defaults", "Namespace": "team", "Partition": "a"},
            '2 errors occurred:\n\t* invalid config key "Namespace", namespaces are a consul '
            'enterprise feature\n\t* invalid config key "Partition", partitions are a consul '
            "enterprise feature\n\n",
        ),
        (
            {"Kind": "service-intentions", "Sources": [{"Nme": "x"}]},
            '1 error occurred:\n\t* invalid config key "Sources[0].Nme"\n\n',
        ),
        (
            {"Kind": "service-defaults", "Protocol": {}},
            "1 error(s) decoding:\n\n* 'Protocol' expected type 'string', "
            "got 'map[string]interface {}'",
        ),
        (
            {"Kind": "service-resolver", "ConnectTimeout": "5"},
            "1 error(s) decoding:\n\n* error decoding 'ConnectTimeout': "
            'time: missing unit in duration "5"',
        ),
        (
            {"Kind": "ingress-gateway", "Listeners": [{"Port": "x"}]},
            "1 error(s) decoding:\n\n* cannot parse 'Listeners[0].Port' as int: "
            'strconv.ParseInt: parsing "x": invalid syntax',
        ),
    ],
)
def test_body_that_is_no_entry_is_refused_in_consuls_words(body: object, text: str):
    with pytest.raises(BadRequest) as caught:
        decode_entry(body)

    assert text == str(caught.value)


def test_names_are_read_in_any_style():
    expected = ServiceDefaults(
        name="x", protocol="http", mesh_gateway=MeshGateway(mode="none"), external_sni="e"
    )

    assert expected == decode_entry(
        {
            "kind": "service-defaults",
            "name": "x",
            "protocol": "http",
            "mesh_gateway": {"mode": "none"},
            "external_sni": "e",
        }
    )
    assert expected == decode_entry(
        {
            "Kind": "service-defaults",
            "NAME": "x",
            "Protocol": "http",
            "MeshGateway": [{"Mode": "none"}],
            "ExternalSNI": "e",
        }
    )


def test_durations_are_text_or_nanoseconds():
    kind = {"Kind": "service-resolver"}

    assert ServiceResolver(connect_timeout=5 * SECOND) == decode_entry(
        kind | {"connect_timeout": "5s"}
    )
    assert ServiceResolver(connect_timeout=7) == decode_entry(kind | {"ConnectTimeout": 7})


def test_body_that_is_nested_too_deeply_is_refused():
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]

    with pytest.raises(BadRequest, match="nested deeper than 64 levels"):
        decode_entry({"Kind": "proxy-defaults", "Config": {"a": deep}})


@pytest.mark.parametrize("port", [10**30, 1e308])
def test_number_that_no_integer_holds_is_refused(port: float):
    with pytest.raises(BadRequest, match=r"cannot parse 'Listeners\[0\]\.Port' as int"):
        decode_entry({"Kind": "ingress-gateway", "Listeners": [{"Port": port}]})


def test_free_form_numbers_are_those_of_a_float64():
    entry = decode_entry({"Kind": "proxy-defaults", "Config": {"a": 1.0, "b": 10**30, "c": 1e308}})

    assert entry_to_json(entry)["Config"] == {"a": 1, "b": 1e30, "c": 1e308}


def test_indexes_of_a_body_are_ignored():
    body = {"Kind": "service-defaults", "Name": "x", "CreateIndex": 4, "ModifyIndex": 9}

    assert ServiceDefaults(name="x") == decode_entry(body)


def test_legacy_fields_of_intentions_are_read_only():
    entry = decode_entry({"Kind": "service-intentions", "Sources": [{"LegacyID": "abc"}]})

    assert isinstance(entry, ServiceIntentions)
    assert entry.sources[0].legacy_id == ""  # type: ignore[index] # the shape is what is tested


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Name", "Meta", "Sources", "Listeners", "Splits", "Port", "HTTP", "x"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(st.sampled_from(sorted(KINDS)), JSON)
def test_any_json_is_read_or_refused(kind: str, body: Any):
    fields = body if isinstance(body, dict) else {"Sources": body, "Splits": body, "Config": body}
    try:
        entry = decode_entry({"Kind": kind, **fields})
    except BadRequest:
        return
    assert kind == entry.kind


def test_hash_and_default_partition_of_a_newer_server_are_passed_over():
    body = {"Kind": "service-defaults", "Name": "x", "Hash": 1, "Partition": "default"}

    assert decode_entry({**body, "Namespace": ""}) == ServiceDefaults(name="x")
