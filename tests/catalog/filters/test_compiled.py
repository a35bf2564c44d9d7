import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.filters import FilterError, compile_filter
from catalog.filters.compiled import parse_int
from catalog.rows.check import CheckServiceNode, HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import ConnectProxy, NodeService, ServiceAddress, Upstream
from catalog.schema import Row

INSTANCE = CheckServiceNode(
    node=Node(node="n1", address="10.0.0.1", meta={"env": "prod", "a-b": "x"}),
    service=NodeService(
        id="web-1",
        service="web",
        tags=("v1", "primary"),
        port=80,
        enable_tag_override=True,
        tagged_addresses={"lan": ServiceAddress(address="10.0.0.9", port=81)},
        proxy=ConnectProxy(upstreams=(Upstream(destination_name="db", local_bind_port=5432),)),
    ),
    checks=(
        HealthCheck(node="n1", check_id="a", status="passing"),
        HealthCheck(node="n1", check_id="b", status="critical", service_tags=("v1",)),
    ),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("Node.Node == n1", True),
        ("Node.Node != n1", False),
        ("Service.Service in Node.Node", False),
        ("eb in Service.Service", True),
        ("zz not in Service.Service", True),
        ("Service.Service contains we", True),
        ("Service.Service matches `^w.b$`", True),
        ("Service.Service matches `e`", True),
        ("Service.Service not matches `^e`", True),
        ("Service.Address is empty", True),
        ("Service.Port == 80", True),
        ('Service.Port == "0x50"', True),
        ("Service.Port != 80", False),
        ("Service.EnableTagOverride == true", True),
        ("Service.EnableTagOverride == 0", False),
        ("v1 in Service.Tags", True),
        ("Service.Tags not contains v1", False),
        ("Service.Tags is not empty", True),
        # Any element of a list of rows.
        ("Checks.Status == critical", True),
        ("Checks.Status != critical", True),
        ("Checks.Status == warning", False),
        ("not Checks.Status == warning", True),
        ("v1 in Checks.ServiceTags", True),
        ("Checks is empty", False),
        ("Service.Proxy.Upstreams.DestinationName == db", True),
        ("Service.Proxy.Upstreams.LocalBindPort == 5432", True),
        # Maps.
        ("Node.Meta.env == prod", True),
        ('Node.Meta["a-b"] == x', True),
        ("env in Node.Meta", True),
        ("Node.Meta contains nope", False),
        ("Node.Meta is empty", False),
        ("Node.TaggedAddresses is empty", True),
        ("Service.TaggedAddresses.lan.Address == `10.0.0.9`", True),
        ("Service.TaggedAddresses.lan.Port == 81", True),
        ("Service.TaggedAddresses.wan.Port == 81", False),
        # A key that is not there.
        ("Node.Meta.none == x", False),
        ("x in Node.Meta.none", False),
        ("Node.Meta.none is not empty", False),
        ("Node.Meta.none != x", True),
        ("x not in Node.Meta.none", True),
        ("Node.Meta.none is empty", True),
        ("Node.Meta.none matches x", True),
        ("Node.Meta.none not matches x", True),
        ("Node.TaggedAddresses.lan == x", False),
        # Connectives.
        ("Service.Port == 80 and Node.Node == n2", False),
        ("Service.Port == 80 or Node.Node == n2", True),
        ("not (Service.Port == 80 and Node.Node == n1)", False),
    ],
)
def test_filter_decides_as_documented(text: str, expected: bool):
    assert expected is compile_filter(text, CheckServiceNode)(INSTANCE)


def test_a_list_of_rows_without_elements_never_matches():
    bare = CheckServiceNode(node=Node(node="n"), service=NodeService())

    assert not compile_filter("Checks.Status != critical", CheckServiceNode)(bare)


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("Bogus == 1", Node, 'Selector "Bogus" is not valid'),
        ("Node.Bogus.x == 1", CheckServiceNode, 'Selector "Node.Bogus" is not valid'),
        ("CreateIndex == 1", Node, 'Selector "CreateIndex" is not valid'),
        ("ModifyIndex == 1", HealthCheck, 'Selector "ModifyIndex" is not valid'),
        ("Definition.HTTP == x", HealthCheck, 'Selector "Definition" is not valid'),
        ("Proxy.Config.x == 1", NodeService, 'Selector "Proxy.Config" is not valid'),
        ("Node.x == 1", Node, 'Selector "Node.x" is not valid'),
        ("Node == x", CheckServiceNode, 'Invalid match operator "Equal" for selector "Node"'),
        (
            "Service.Tags matches x",
            CheckServiceNode,
            'Invalid match operator "Matches" for selector "Service.Tags"',
        ),
        ("Port is empty", NodeService, 'Invalid match operator "Is Empty" for selector "Port"'),
        (
            "Port == abc",
            NodeService,
            'Failed to coerce value "abc" for selector "Port": '
            'strconv.ParseInt: parsing "abc": invalid syntax',
        ),
        (
            "EnableTagOverride == yes",
            NodeService,
            'Failed to coerce value "yes" for selector "EnableTagOverride": '
            'strconv.ParseBool: parsing "yes": invalid syntax',
        ),
        (
            "Node matches `x(`",
            Node,
            'Failed to compile regular expression "x(": '
            "error parsing regexp: missing closing ): `x(`",
        ),
        (
            "((",
            Node,
            '1:3 (2): no match found, expected: "(", "-", "0", "\\"", "`", "not", '
            "[ \\t\\r\\n], [1-9] or [a-zA-Z]",
        ),
    ],
)
def test_filter_that_does_not_fit_the_row_is_refused(text: str, row: type[Row], expected: str):
    with pytest.raises(FilterError) as caught:
        compile_filter(text, row)

    assert expected == str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", 80),
        ("-1", -1),
        ("0x1F", 31),
        ("0b11", 3),
        ("0o17", 15),
        ("017", 15),
        ("0", 0),
        ("1_0", 10),
    ],
)
def test_integers_are_read_in_go_notation(text: str, expected: int):
    assert expected == parse_int(text)


@pytest.mark.parametrize("text", ["", "x", "08", "0x", "1__0", "--1", "9223372036854775808"])
def test_what_go_does_not_read_is_no_integer(text: str):
    with pytest.raises(ValueError, match=r"strconv\.ParseInt"):
        parse_int(text)


TEXTS = st.text(st.characters(blacklist_characters="`\r", blacklist_categories=("Cs",)), max_size=8)


@given(TEXTS, TEXTS)
def test_string_operators_agree_with_python(name: str, wanted: str):
    node = Node(node=name)

    assert (name == wanted) is compile_filter(f"Node == `{wanted}`", Node)(node)
    assert (wanted not in name) is compile_filter(f"`{wanted}` not in Node", Node)(node)
