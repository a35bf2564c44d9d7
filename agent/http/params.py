"""The parameters that most reads share, from a URL to a request's fields.

Source: Consul API, blocking queries, consistency modes, filtering. A fault is answered with 400 and
names the parameter.
"""

from typing import Any, Final

from agent.http.call import Call, HttpError
from agent.rpc.request import Consistency
from catalog.duration import parse_duration

INDEX_MAX: Final = 2**64 - 1  # an unsigned number of 64 bits
AGENT: Final = "_agent"
_TRUE: Final = {"1", "t", "T", "true", "TRUE", "True"}
_FALSE: Final = {"0", "f", "F", "false", "FALSE", "False"}


def read_options(call: Call) -> dict[str, Any]:
    """The fields of a ReadRequest that the URL sets."""
    query = call.query
    options: dict[str, Any] = write_options(call)
    index = query.get("index")
    if index is not None and index != "":
        options["min_index"] = _index(index)
    wait = query.get("wait")
    if wait is not None and wait != "":
        options["wait_ns"] = _wait(wait)
    consistency = _consistency(call)
    if consistency is not Consistency.DEFAULT:
        options["consistency"] = consistency
    max_stale = query.get("max_stale")
    if max_stale is not None:
        options["max_stale_ns"] = _max_stale(max_stale)
    filter_text = query.get("filter")
    if filter_text:
        options["filter"] = filter_text
    return options


def write_options(call: Call) -> dict[str, Any]:
    """The fields of every Request that the URL and the headers set."""
    query = call.query
    options: dict[str, Any] = {}
    if query.raw:
        refuse_namespace(call)
        datacenter = query.get("datacenter") or query.get("dc")
        if datacenter:
            options["datacenter"] = datacenter
    token = token_of(call)
    if token:
        options["token"] = token
    return options


def token_of(call: Call) -> str:
    """The caller's token: ``?token=``, else X-Consul-Token, else a bearer authorization."""
    token = call.query.get("token") if call.query.raw else None
    token = token or call.headers.get("X-Consul-Token")
    if token:
        return token
    scheme, _, rest = call.headers.get("Authorization", "").partition(" ")
    words = rest.split()
    return words[0] if scheme.lower() == "bearer" and words else ""


def refuse_namespace(call: Call) -> None:
    """Namespaces and partitions are not part of this API."""
    for name, what in (("ns", "Namespaces are"), ("partition", "Partitions are")):
        if call.query.get(name):
            raise HttpError(
                400,
                f'Bad request: Invalid query parameter: "{name}" - '
                f"{what} a Consul Enterprise feature",
            )


def _index(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > INDEX_MAX:
        raise HttpError(400, "Invalid index")
    return int(text)


def _wait(text: str) -> int:
    try:
        wait_ns = parse_duration(text)
    except ValueError:
        raise HttpError(400, "Invalid wait time") from None
    if wait_ns < 0:
        raise HttpError(400, "Invalid wait time")
    return wait_ns


def _consistency(call: Call) -> Consistency:
    query = call.query
    stale = query.has("stale") or query.has("max_stale")
    consistent = query.has("consistent")
    if stale and consistent:
        raise HttpError(400, "Cannot specify ?stale with ?consistent, conflicting semantics.")
    if query.has("cached") and consistent:
        raise HttpError(400, "Cannot specify ?cached with ?consistent, conflicting semantics.")
    if consistent:
        return Consistency.CONSISTENT
    return Consistency.STALE if stale else Consistency.DEFAULT


def _max_stale(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError:
        raise HttpError(400, f'Invalid max_stale value "{text}"') from None


def node_meta(call: Call) -> dict[str, str]:
    """``?node-meta=key:value``, repeatable; all must match."""
    pairs = (text.partition(":") for text in call.query.all("node-meta"))
    return {key: value for key, _, value in pairs}


def near(call: Call) -> str:
    """``?near=node``; ``_agent`` is this agent's own node."""
    name = call.query.text("near")
    return call.node_name if name == AGENT else name


def boolean(text: str) -> bool | None:
    """A truth value as Go reads it; None for anything else."""
    if text in _TRUE:
        return True
    return False if text in _FALSE else None


def unsigned(text: str, what: str, status: int = 400) -> int:
    """A number of 64 bits without sign; a fault is answered with ``status`` and names ``what``."""
    if not (text.isascii() and text.isdigit()):
        raise HttpError(
            status, f'Invalid {what}: strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    if int(text) > INDEX_MAX:
        raise HttpError(
            status, f'Invalid {what}: strconv.ParseUint: parsing "{text}": value out of range'
        )
    return int(text)


def cas_index(call: Call, status: int = 400) -> int | None:
    """``?cas=index``, if it is there."""
    text = call.query.get("cas")
    return None if text is None else unsigned(text, "cas", status)


def required(call: Call, name: str, what: str) -> str:
    """An argument of the path; 400 ``Missing …`` when it is empty."""
    value = call.path[name]
    if not value:
        raise HttpError(400, f"Missing {what}")
    return value
