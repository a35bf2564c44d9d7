"""When the catalog's copy of a row says the same as this node's own.

Indexes are the catalog's business, an absent list or map is an empty one, and the server itself
fills a check's service name and tags.
"""

import msgspec

from catalog.rows.check import HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import NodeService


def same_node(ours: Node, theirs: Node) -> bool:
    """Whether identity, addresses and metadata agree."""
    return (
        ours.id == theirs.id
        and ours.address == theirs.address
        and (ours.tagged_addresses or {}) == (theirs.tagged_addresses or {})
        and (ours.meta or {}) == (theirs.meta or {})
    )


def same_service(ours: NodeService, theirs: NodeService) -> bool:
    """Whether the registrations agree."""
    return _plain_service(ours) == _plain_service(theirs)


def same_check(ours: HealthCheck, theirs: HealthCheck, *, ignore_output: bool) -> bool:
    """Whether the checks agree, apart from their output if that is deferred."""
    if ignore_output:
        theirs = msgspec.structs.replace(theirs, output=ours.output)
    return _plain_check(ours) == _plain_check(theirs)


def _plain_service(service: NodeService) -> NodeService:
    return msgspec.structs.replace(
        service,
        tags=service.tags or (),
        meta=service.meta or {},
        tagged_addresses=service.tagged_addresses or {},
        create_index=0,
        modify_index=0,
    )


def _plain_check(check: HealthCheck) -> HealthCheck:
    return msgspec.structs.replace(
        check, service_name="", service_tags=(), create_index=0, modify_index=0
    )
