import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.rows.check import CheckServiceNode, HealthCheck
from catalog.rows.node import Node
from catalog.rows.query import QueryService
from catalog.rows.service import NodeService
from catalog.selection.select import limited, select


def instance(number, status):
    name = f"n{number}"
    return CheckServiceNode(
        node=Node(node=name, meta={"n": str(number)}),
        service=NodeService(id=f"s{number}", tags=("all", f"T{number}"), meta={"v": str(number)}),
        checks=(
            HealthCheck(node=name, check_id="serfHealth", status="passing"),
            HealthCheck(node=name, check_id="c", status=status),
        ),
    )


INSTANCES = (
    instance(1, "passing"),
    instance(2, "warning"),
    instance(3, "critical"),
    instance(4, "passing"),
)


def keep(_items):
    """No shuffle."""


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (QueryService(), [1, 2, 4]),
        (QueryService(only_passing=True), [1, 4]),
        (QueryService(ignore_check_ids=("c",)), [1, 2, 3, 4]),
        (QueryService(only_passing=True, ignore_check_ids=("c",)), [1, 2, 3, 4]),
        (QueryService(tags=("t2",)), [2]),
        (QueryService(tags=("!t2",)), [1, 4]),
        (QueryService(tags=("ALL", "!T1")), [2, 4]),
        (QueryService(tags=("t1", "t2")), []),
        (QueryService(node_meta={"n": "4"}), [4]),
        (QueryService(service_meta={"v": "2"}), [2]),
        (QueryService(node_meta={"none": ""}), []),
    ],
)
def test_query_selects_what_passes_all_conditions(service, expected):
    selected = select(service, INSTANCES, keep)

    assert [f"n{number}" for number in expected] == [found.node.node for found in selected]


def test_selection_is_shuffled():
    selected = select(QueryService(), INSTANCES, lambda items: items.reverse())

    assert [found.node.node for found in selected] == ["n4", "n2", "n1"]


def test_limit_of_zero_is_none():
    assert INSTANCES[:2] == limited(INSTANCES, 2)
    assert limited(INSTANCES, 0) == INSTANCES


TAGS = st.sampled_from(["all", "t1", "T2", "t4", "x"])


@given(TAGS)
def test_a_tag_and_its_opposite_divide_the_instances(tag):
    with_tag = select(QueryService(tags=(tag,)), INSTANCES, keep)
    without_tag = select(QueryService(tags=(f"!{tag}",)), INSTANCES, keep)

    assert len(select(QueryService(), INSTANCES, keep)) == len(with_tag) + len(without_tag)
