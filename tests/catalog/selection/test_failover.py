import pytest

from catalog.rows.query import QueryFailover
from catalog.selection.failover import failover_datacenters


@pytest.mark.parametrize(
    ("failover", "expected"),
    [
        (QueryFailover(), ()),
        (QueryFailover(nearest_n=2), ("dc2", "dc3")),
        (QueryFailover(datacenters=("dc4", "gone", "dc2")), ("dc4", "dc2")),
        (QueryFailover(nearest_n=1, datacenters=("dc4", "dc2", "dc1")), ("dc2", "dc4")),
    ],
)
def test_nearest_are_tried_before_those_listed(failover, expected):
    assert expected == failover_datacenters(failover, ["dc1", "dc2", "dc3", "dc4"], "dc1")
