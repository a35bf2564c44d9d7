"""The hash of what a token, a policy or a role says; replicas compare by it.

BLAKE2b of 32 bytes over the fields one after the other, without lengths or ids, so that the
answers' ``Hash`` is the one that Consul gives. Source: its API's documented answers.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Final, assert_never

from catalog.rows.acl import ACLPolicy, ACLRole, ACLToken

HASH_BYTES: Final = 32


def content_hash(row: ACLToken | ACLPolicy | ACLRole) -> bytes:
    """The hash of a row's content; its own ``hash`` does not matter."""
    digest = blake2b(digest_size=HASH_BYTES)
    for part in _parts(row):
        digest.update(part.encode())
    return digest.digest()


def _parts(row: ACLToken | ACLPolicy | ACLRole) -> Iterator[str]:
    match row:
        case ACLPolicy():
            yield from (row.name, row.description, row.rules, *(row.datacenters or ()))
        case ACLRole():
            yield from (row.name, row.description)
            yield from (link.id for link in row.policies or ())
            yield from _identities(row)
        case ACLToken():
            yield from (row.description, "local" if row.local else "global")
            yield from (link.id for link in row.policies or ())
            yield from (link.id for link in row.roles or ())
            yield from _identities(row)
        case _:
            assert_never(row)


def _identities(row: ACLToken | ACLRole) -> Iterator[str]:
    for service in row.service_identities or ():
        yield from (service.service_name, *(service.datacenters or ()))
    for node in row.node_identities or ():
        yield from (node.node_name, node.datacenter)
    for filled in row.templated_policies or ():
        name = filled.template_variables.name if filled.template_variables else ""
        yield from (filled.template_id, filled.template_name, name, *(filled.datacenters or ()))
