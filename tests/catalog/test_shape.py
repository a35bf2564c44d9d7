import pytest

from catalog.duration import SECOND, Duration
from catalog.rows.check import CheckDefinition, CheckServiceNode, HealthCheck
from catalog.rows.kv import KeyValue
from catalog.rows.node import Coord, Coordinate, Node
from catalog.rows.service import NodeService
from catalog.rows.session import Session
from catalog.schema import Omit, Row
from catalog.shape import to_json


class Inner(Row, frozen=True, kw_only=True):
    note: Omit[str] = ""


class Outer(Row, frozen=True, kw_only=True):
    inner: Omit[Inner] = Inner()
    span: Duration = 0
    spare: Omit[Duration] = 0
    ratio: float = 0.0
    inners: tuple[Inner, ...] = ()
    by_name: Omit[dict[str, Inner] | None] = None


def test_fields_keep_the_order_of_their_declaration() -> None:
    shown = to_json(KeyValue(key="k", value=b"v", session="s"))

    assert list(shown) == [
        "LockIndex",
        "Key",
        "Flags",
        "Value",
        "Session",
        "CreateIndex",
        "ModifyIndex",
    ]


def test_bytes_are_base64_and_null_when_empty() -> None:
    assert to_json(KeyValue(key="k", value=b"v"))["Value"] == "dg=="
    assert to_json(KeyValue(key="k"))["Value"] is None


def test_omitted_field_vanishes_while_empty_and_a_nested_row_never_does() -> None:
    assert to_json(Outer()) == {"Inner": {}, "Span": "0s", "Ratio": 0.0, "Inners": []}


def test_rows_in_lists_and_maps_are_shaped() -> None:
    outer = Outer(inners=(Inner(note="a"),), by_name={"x": Inner(note="b")}, spare=SECOND)

    shown = to_json(outer)

    assert shown["Inners"] == [{"Note": "a"}]
    assert shown["ByName"] == {"x": {"Note": "b"}}
    assert shown["Spare"] == "1s"


def test_hidden_fields_are_never_shown() -> None:
    coordinate = Coordinate(node="n", coord=Coord(), create_index=4, modify_index=5)

    assert {"Node", "Segment", "Coord"} == set(to_json(coordinate))


def test_duration_is_text_and_a_plain_integer_stays_a_number() -> None:
    definition = CheckDefinition(interval=5 * SECOND, http="http://h")
    session = Session(id="s", lock_delay=15 * SECOND)

    assert to_json(definition) == {"HTTP": "http://h", "Interval": "5s"}
    assert to_json(session)["LockDelay"] == 15_000_000_000


def test_none_stays_null() -> None:
    node = Node(node="n", address="10.0.0.1", datacenter="dc1", create_index=1, modify_index=2)

    assert to_json(node) == {
        "ID": "",
        "Node": "n",
        "Address": "10.0.0.1",
        "Datacenter": "dc1",
        "TaggedAddresses": None,
        "Meta": None,
        "CreateIndex": 1,
        "ModifyIndex": 2,
    }


def test_instance_with_checks_has_consuls_shape() -> None:
    """As recorded of Consul 1.9.8: /v1/health/service of a bare instance."""
    row = CheckServiceNode(
        node=Node(node="n"),
        service=NodeService(id="web", service="web", tags=(), port=80),
        checks=(HealthCheck(node="n", check_id="c", service_tags=()),),
    )

    shown = to_json(row)

    assert shown["Service"] == {
        "ID": "web",
        "Service": "web",
        "Tags": [],
        "Address": "",
        "Meta": None,
        "Port": 80,
        "Weights": {"Passing": 1, "Warning": 1},
        "EnableTagOverride": False,
        "Proxy": {"MeshGateway": {}, "Expose": {}},
        "Connect": {},
        "CreateIndex": 0,
        "ModifyIndex": 0,
    }
    assert shown["Checks"][0]["Definition"] == {}


@pytest.mark.parametrize("value", ["text", 1, True, 1.5, None])
def test_plain_values_pass_through(value: object) -> None:
    assert value is to_json(value)


class Limits(Row, frozen=True, kw_only=True):
    connections: Omit[int | None] = None
    names: Omit[tuple[str, ...] | None] = None


def test_number_that_may_be_absent_is_shown_when_it_is_zero() -> None:
    assert {"Connections": 0} == to_json(Limits(connections=0, names=()))
    assert {} == to_json(Limits())
