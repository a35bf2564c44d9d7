import pytest

from catalog.chain.compiled import ChainNode, ChainSplit
from catalog.chain.errors import GraphError
from catalog.chain.shaping import flatten_splitters, reachable, refuse_circles


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
