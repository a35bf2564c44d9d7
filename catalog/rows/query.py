"""Prepared queries. Source: Consul API, /v1/query."""

from typing import Final

from catalog.schema import Row

TEMPLATE_NAME_PREFIX: Final = "name_prefix_match"


class QueryTemplate(Row, frozen=True, kw_only=True):
    """Makes a query answer for every name that starts with its own."""

    type: str = ""
    regexp: str = ""
    remove_empty_tags: bool = False


class QueryFailover(Row, frozen=True, kw_only=True):
    """Which other datacenters are tried when no instance is left."""

    nearest_n: int = 0
    datacenters: tuple[str, ...] | None = None


class QueryService(Row, frozen=True, kw_only=True):
    """Which instances a query selects."""

    service: str = ""
    failover: QueryFailover = QueryFailover()
    only_passing: bool = False
    ignore_check_ids: tuple[str, ...] | None = None
    near: str = ""
    tags: tuple[str, ...] | None = None
    node_meta: dict[str, str] | None = None
    service_meta: dict[str, str] | None = None
    connect: bool = False


class QueryDNS(Row, frozen=True, kw_only=True):
    """How DNS answers a query; ``ttl`` is a duration's text."""

    ttl: str = ""


class PreparedQuery(Row, frozen=True, kw_only=True):
    """A stored query; ``session`` ties its life to a session."""

    id: str = ""
    name: str = ""
    session: str = ""
    token: str = ""
    template: QueryTemplate = QueryTemplate()
    service: QueryService = QueryService()
    dns: QueryDNS = QueryDNS()
    create_index: int = 0
    modify_index: int = 0
