"""/v1/kv. Source: Consul API, KV store."""

from agent.http.call import Answer, Call, HttpError
from agent.http.params import cas_index, read_options, unsigned, write_options
from agent.rpc.endpoints.kv import KvApply, KvGet, KvList, KvListKeys
from agent.rpc.request import ReadRequest, Reply
from catalog.commands import KvOperation, KvVerb

_CONDITIONS = ("cas", "acquire", "release")


def get(call: Call) -> ReadRequest:
    """One pair, all pairs under a prefix, or the keys under a prefix."""
    key = call.path["key"]
    options = read_options(call)
    query = call.query
    if not query.raw:
        return KvGet(key=_required(key), **options)
    if query.has("keys"):
        separator = query.text("separator") or query.text("seperator")
        return KvListKeys(prefix=key, separator=separator, **options)
    if query.has("recurse"):
        return KvList(prefix=key, **options)
    return KvGet(key=_required(key), **options)


def _required(key: str) -> str:
    if not key:
        raise HttpError(400, "Missing key name")
    return key


def show(call: Call, reply: Reply) -> Answer:
    """The pairs or keys; 404 with an empty body when there are none."""
    value = reply.value
    if value is None or (value == [] and (call.path["key"] or not call.query.has("keys"))):
        return Answer(status=404)
    if isinstance(value, list):
        return Answer(json=value)
    if not call.query.has("raw"):
        return Answer(json=[value])
    return Answer(
        body=value.value,
        content_type="text/plain",
        headers={"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"},
    )


def put(call: Call) -> KvApply:
    """Write a value, with a condition or a lock."""
    key = _required(call.path["key"])
    value_bytes_max = call.front.kv_value_bytes_max
    if len(call.body) > value_bytes_max:
        raise HttpError(413, too_large(len(call.body), value_bytes_max, "kv_max_value_size"))
    query = call.query
    if not query.raw:
        operation = KvOperation(verb=KvVerb.SET, key=key, value=call.body)
        return KvApply(operation=operation, **write_options(call))
    _refuse_conflict(call, _CONDITIONS)
    flags = query.get("flags")
    verb, session = KvVerb.SET, ""
    index = cas_index(call)
    if index is not None:
        verb = KvVerb.CAS
    elif query.has("acquire"):
        verb, session = KvVerb.LOCK, query.text("acquire")
    elif query.has("release"):
        verb, session = KvVerb.UNLOCK, query.text("release")
    operation = KvOperation(
        verb=verb,
        key=key,
        value=call.body,
        flags=0 if flags is None else unsigned(flags, "flags"),
        index=index or 0,
        session=session,
    )
    return KvApply(operation=operation, **write_options(call))


def too_large(body_bytes: int, bytes_max: int, setting: str) -> str:
    """The refusal of a body, naming its size, the limit and the setting."""
    return (
        f"Request body({body_bytes} bytes) too large, max size: {bytes_max} bytes. "
        f"See https://www.consul.io/docs/agent/options.html#{setting}."
    )


def _refuse_conflict(call: Call, names: tuple[str, ...]) -> None:
    if sum(call.query.has(name) for name in names) > 1:
        raise HttpError(400, f"Conflicting flags: {call.query.encoded()}")


def delete(call: Call) -> KvApply:
    """Delete a key, at an index, or everything under a prefix."""
    key = call.path["key"]
    _refuse_conflict(call, ("recurse", "cas"))
    index = cas_index(call)
    if call.query.has("recurse"):
        operation = KvOperation(verb=KvVerb.DELETE_TREE, key=key)
    elif index is not None:
        operation = KvOperation(verb=KvVerb.DELETE_CAS, key=_required(key), index=index)
    else:
        operation = KvOperation(verb=KvVerb.DELETE, key=_required(key))
    return KvApply(operation=operation, **write_options(call))
