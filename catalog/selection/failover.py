"""Where a prepared query is asked again when no instance is left."""

from collections.abc import Iterable

from catalog.rows.query import QueryFailover


def failover_datacenters(
    failover: QueryFailover, nearest: Iterable[str], local: str
) -> tuple[str, ...]:
    """The datacenters to try, in order.

    ``nearest`` are all known ones, the nearest first; ``local`` is the one that was asked already.
    First come the ``nearest_n`` nearest, then the listed ones that are known, each once.
    """
    known = [datacenter for datacenter in nearest if datacenter != local]
    listed = [datacenter for datacenter in failover.datacenters or () if datacenter in known]
    return tuple(dict.fromkeys((*known[: failover.nearest_n], *listed)))
