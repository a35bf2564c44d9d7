"""Request bodies are read as Go reads them."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.http.call import HttpError
from agent.http.decode import DecodeFault, decode_body, decode_rows, decode_value
from catalog.duration import SECOND, Duration
from catalog.rows.service import NodeService, ServiceAddress, ServiceConnect, Weights
from catalog.schema import Row
from catalog.shape import to_json


class Inner(Row, frozen=True, kw_only=True):
    """A nested row."""

    ttl: Duration = 0
    name: str = ""


class Outer(Row, frozen=True, kw_only=True):
    """Every type that rows declare."""

    node: str
    port: int = 0
    ratio: float = 0.0
    on: bool = False
    value: bytes = b""
    tags: tuple[str, ...] | None = None
    header: dict[str, tuple[str, ...]] | None = None
    config: dict[str, object] | None = None
    check: Inner | None = None
    checks: tuple[Inner, ...] = ()
    connect: ServiceConnect = ServiceConnect()


def refusal(body: bytes, **options) -> str:
    with pytest.raises(HttpError) as caught:
        decode_body(body, Outer, **options)
    assert caught.value.status == 400
    return caught.value.text


def test_every_type_is_read():
    body = (
        b'{"Node":"n","Port":3,"Ratio":1,"On":true,"Value":"aGk=","Tags":["a"],'
        b'"Header":{"X":["y","z"]},"Config":{"a":[1,{"b":null}]},"Check":{"TTL":"10s"},'
        b'"Checks":[{"TTL":5},null]}'
    )

    outer = decode_body(body, Outer)

    assert outer == Outer(
        node="n",
        port=3,
        ratio=1.0,
        on=True,
        value=b"hi",
        tags=("a",),
        header={"X": ("y", "z")},
        config={"a": [1, {"b": None}]},
        check=Inner(ttl=10 * SECOND),
        checks=(Inner(ttl=5), Inner()),
    )


def test_keys_match_without_regard_to_case_at_every_level():
    assert Outer(node="n", check=Inner(ttl=SECOND)) == decode_body(
        b'{"NODE":"n","check":{"tTl":"1s"}}', Outer
    )


def test_an_unknown_key_is_refused_at_every_level():
    assert refusal(b'{"Nope":1}') == 'Request decode failed: json: unknown field "Nope"'
    assert refusal(b'{"Check":{"Nope":1}}') == 'Request decode failed: json: unknown field "Nope"'


def test_unknown_keys_are_ignored_when_not_strict_or_within_connect():
    assert decode_body(b'{"Nope":1}', Outer, strict=False) == Outer(node="")
    assert decode_body(b'{"Connect":{"Nope":1,"Native":true}}', Outer) == Outer(
        node="", connect=ServiceConnect(native=True)
    )


def test_null_means_the_default_and_a_missing_required_field_is_empty():
    assert Outer(node="") == decode_body(
        b'{"Node":null,"Port":null,"Tags":null,"Check":null,"Connect":null}', Outer
    )
    assert Outer(node="") == decode_body(b"null", Outer)


def test_aliases_hold_at_every_level():
    aliases = {"time_to_live": "TTL", "node_name": "Node"}

    outer = decode_body(b'{"node_name":"n","Check":{"Time_To_Live":7}}', Outer, aliases=aliases)

    assert outer == Outer(node="n", check=Inner(ttl=7))


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "EOF"),
        (b" \n", "EOF"),
        (b"{", "unexpected EOF"),
        (b'{"Node":"a', "unexpected EOF"),
        (b"{bad", "invalid character 'b' looking for beginning of object key string"),
        (b"nope", "invalid character 'n' looking for beginning of value"),
        (b'{"Port" 1}', "invalid character '1' after object key"),
        (b'{"Port":1 "x":2}', "invalid character '\"' after object key:value pair"),
        (b'{"Ratio":NaN}', "invalid character 'N' looking for beginning of value"),
        (b"[" * 100_000, "exceeded max depth"),
        (b"[]", "json: cannot unmarshal array into Go struct field Outer of type Outer"),
        (
            b'{"Port":"eighty"}',
            "json: cannot unmarshal string into Go struct field Outer.Port of type int",
        ),
        (
            b'{"Port":1.5}',
            "json: cannot unmarshal number 1.5 into Go struct field Outer.Port of type int",
        ),
        (
            b'{"Node":1}',
            "json: cannot unmarshal number into Go struct field Outer.Node of type string",
        ),
        (
            b'{"Tags":{}}',
            "json: cannot unmarshal object into Go struct field Outer.Tags of type slice",
        ),
        (b'{"Check":{"TTL":"x"}}', 'time: invalid duration "x"'),
        (b'{"Value":"*"}', "illegal base64 data in Outer.Value"),
    ],
)
def test_faults_are_worded_as_by_go(body, fault):
    assert f"Request decode failed: {fault}" == refusal(body)


def test_a_huge_number_is_no_port():
    assert "of type int" in refusal(b'{"Port":99999999999999999999999}')
    assert "of type time.Duration" in refusal(b'{"Check":{"TTL":99999999999999999999999}}')


def test_the_prefix_can_be_chosen():
    assert refusal(b"", prefix="Bad: ") == "Bad: EOF"


def test_what_follows_the_first_value_is_ignored():
    assert Outer(node="n") == decode_body(b'{"Node":"n"} trailing', Outer)


def test_invalid_text_becomes_the_replacement_character():
    assert Outer(node="a\ufffdb") == decode_body(b'{"Node":"a\xffb"}', Outer)
    assert Outer(node="a\ufffd") == decode_body(b'{"Node":"a\\ud800"}', Outer)


def test_an_empty_duration_is_none():
    assert Outer(node="", check=Inner()) == decode_body(b'{"Check":{"TTL":""}}', Outer)


def test_rows_are_read_from_an_array():
    assert (Inner(name="a"), Inner()) == decode_rows(b'[{"Name":"a"},null]', Inner)
    assert decode_rows(b"null", Inner) == ()
    with pytest.raises(HttpError):
        decode_rows(b"{}", Inner)


def test_a_parsed_value_is_read_and_its_fault_is_no_refusal():
    assert Inner(ttl=SECOND) == decode_value({"TTL": "1s"}, Inner)
    with pytest.raises(DecodeFault):
        decode_value({"TTL": []}, Inner)


texts = st.text(max_size=8)
services = st.builds(
    NodeService,
    id=texts,
    service=texts,
    port=st.integers(0, 65535),
    tags=st.none() | st.lists(texts, max_size=3).map(tuple),
    meta=st.none() | st.dictionaries(texts, texts, max_size=3),
    tagged_addresses=st.none()
    | st.dictionaries(texts, st.builds(ServiceAddress, address=texts), min_size=1, max_size=2),
    weights=st.builds(Weights, passing=st.integers(0, 9)),
)


@given(services)
def test_what_is_shown_can_be_read_back(service):
    assert service == decode_body(msgspec.json.encode(to_json(service)), NodeService)


@given(st.binary(max_size=64))
def test_no_body_causes_anything_but_a_refusal(body):
    with suppress(HttpError):
        decode_body(body, Outer)
