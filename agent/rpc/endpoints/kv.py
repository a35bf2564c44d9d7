"""Keys. Source: Consul API, /v1/kv."""

from agent.rpc.request import ReadRequest, WriteRequest
from agent.rpc.server import Done, ServerContext
from catalog.commands import Command, KvOperation, KvVerb
from catalog.errors import BadRequest, Invalid
from catalog.queries import kv
from catalog.read import Read
from catalog.rows.kv import KeyValue
from catalog.uuids import is_uuid


class KvApply(WriteRequest, frozen=True, kw_only=True):
    """One write verb on a key; the reply is whether it took effect."""

    operation: KvOperation


class KvGet(ReadRequest, frozen=True, kw_only=True):
    """One pair, or None."""

    key: str


class KvList(ReadRequest, frozen=True, kw_only=True):
    """All pairs under a prefix."""

    prefix: str


class KvListKeys(ReadRequest, frozen=True, kw_only=True):
    """The keys under a prefix, cut after the separator."""

    prefix: str
    separator: str = ""


def apply(server: ServerContext, request: KvApply) -> Command | Done:
    """Check what only the leader knows: whether the key is under a lock-delay."""
    operation = request.operation
    if operation.verb == KvVerb.LOCK and not is_uuid(operation.session):
        raise Invalid(
            "failed session lookup: index error: UUID must be 36 characters, "
            f'got "{operation.session}"'
        )
    if operation.verb == KvVerb.LOCK and server.timers.lock_delayed(operation.key):
        return Done(False)
    if not operation.key and operation.verb != KvVerb.DELETE_TREE:
        raise BadRequest("Must provide key")
    return operation


def get(read: Read, request: KvGet, _server: ServerContext) -> KeyValue | None:
    """See KvGet."""
    return kv.get(read, request.key)


def list_pairs(read: Read, request: KvList, _server: ServerContext) -> list[KeyValue]:
    """See KvList."""
    return kv.list_prefix(read, request.prefix)


def list_keys(read: Read, request: KvListKeys, _server: ServerContext) -> list[str]:
    """See KvListKeys."""
    return kv.list_keys(read, request.prefix, request.separator)
