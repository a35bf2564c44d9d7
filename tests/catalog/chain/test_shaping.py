import pytest

from catalog.chain.compiled import ChainFailover, ChainNode, ChainResolver, ChainSplit
from catalog.chain.errors import GraphError
from catalog.chain.shaping import (
    flatten_splitters,
    merged_headers,
    reachable,
    refuse_circles,
    targets_of,
)
from catalog.rows.config_entry.service_router import HeaderModifiers
from catalog.rows.config_entry.service_splitter import Split


def splitter(name, *below):
    weight = 100 / len(below)
    return ChainNode(
        type="splitter",
        name=name,
        splits=tuple(ChainSplit(weight=weight, next_node=key) for key in below),
    )


LEAF = ChainNode(type="resolver", name="leaf")


def graph(*nodes):
    return {node.key: node for node in (*nodes, LEAF)}


def test_circle_is_named():
    nodes = graph(
        splitter("a", "splitter:b"), splitter("b", "splitter:c"), splitter("c", "splitter:b")
    )

    with pytest.raises(GraphError) as caught:
        refuse_circles("splitter:a", nodes)

    assert (
        str(caught.value) == "detected circular reference: [splitter:b -> splitter:c -> splitter:b]"
    )


def test_two_ways_to_one_node_are_no_circle():
    nodes = graph(
        splitter("a", "splitter:b", "splitter:c"),
        splitter("b", "splitter:c"),
        splitter("c", "resolver:leaf"),
    )

    refuse_circles("splitter:a", nodes)
    flat = flatten_splitters(nodes)

    assert [split.weight for split in flat["splitter:a"].splits or ()] == [50, 50]
    assert list(reachable("splitter:a", flat)) == ["resolver:leaf", "splitter:a"]


def edited(weight, below, header):
    edits = HeaderModifiers(set={"x-by": header}, remove=(header,))
    return ChainSplit(
        definition=Split(weight=weight, request_headers=edits, response_headers=edits),
        weight=weight,
        next_node=below,
    )


def test_inner_splitter_decides_on_requests_and_outer_one_on_answers():
    nodes = graph(
        ChainNode(type="splitter", name="a", splits=(edited(100, "splitter:b", "outer"),)),
        ChainNode(type="splitter", name="b", splits=(edited(50, "resolver:leaf", "inner"),)),
    )

    (split,) = flatten_splitters(nodes)["splitter:a"].splits or ()

    assert split.definition is not None
    assert 50 == split.definition.weight
    assert split.definition.request_headers == HeaderModifiers(
        set={"x-by": "inner"}, remove=("outer", "inner")
    )
    assert split.definition.response_headers == HeaderModifiers(
        set={"x-by": "outer"}, remove=("inner", "outer")
    )


def test_changes_of_one_side_stay_as_they_are():
    edits = HeaderModifiers(add={"a": "b"})

    assert edits == merged_headers(edits, None) == merged_headers(None, edits)
    assert merged_headers(None, None) is None


def test_targets_of_failovers_are_targets():
    resolver = ChainResolver(
        connect_timeout=1, target="b", failover=ChainFailover(targets=("c", "a"))
    )
    nodes = graph(ChainNode(type="resolver", name="b", resolver=resolver))

    assert ["a", "b", "c"] == targets_of(nodes)
