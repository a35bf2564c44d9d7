"""``mesh explain``: why a request between two services goes where it goes, and whether it may."""

from collections.abc import Iterable
from typing import Any, Final

from agent.cli.client import Query
from agent.cli.command import Call
from agent.cli.failure import Failure, explaining
from agent.cli.output import columns, say, tabbed_json

_PATH: Final = "/v1/internal/mesh/explain"
_FORMATS: Final = ("pretty", "json")
_USAGE: Final = "Error! Must specify two arguments: a source and a destination service"
_INDENT: Final = "  "

Answer = dict[str, Any]
Row = list[str]


def explain(call: Call) -> int:
    """``mesh explain SRC DST [METHOD PATH]``: 0 if the request is allowed wherever it ends."""
    call.expect_arguments(2, 4, _USAGE)
    if call.text("format") not in _FORMATS:
        message = f"-format must be one of {', '.join(_FORMATS)}"
        raise Failure(message)
    with explaining("Error explaining the request"):
        answer: Answer = call.client.get_json(_PATH, _query(call))
    if call.text("format") == "json":
        say(tabbed_json(answer))
    else:
        say("\n".join(_shown(answer)))
    shares = answer["Shares"] or []
    return 0 if shares and all(_is_allowed(share) for share in shares) else 1


def _query(call: Call) -> Query:
    names = ("source", "destination", "method", "path")
    query: Query = list(zip(names, call.arguments, strict=False))
    query += [("header", text) for text in call.texts("header")]
    if call.text("host"):
        query.append(("host", call.text("host")))
    return query


def _is_allowed(share: Answer) -> bool:
    verdict = share.get("Verdict")
    return verdict is None or bool(verdict["Allowed"])


def _shown(answer: Answer) -> Iterable[str]:
    yield columns(list(_head(answer)), "   ")
    for share in answer["Shares"] or []:
        yield ""
        yield f"{share['Percent']:g} % to {share['Cluster']} ({share['Node']})"
        yield _indented(columns(list(_share(share)), "   "))
        for group in share["Groups"] or []:
            yield f"{_INDENT}{group['Target']}{' (in use)' if group['InUse'] else ''}"
            instances = [_instance(each) for each in group["Instances"] or []]
            yield _indented(columns(instances) if instances else "no instances", 2)
    for note in answer.get("Notes") or []:
        yield f"note: {note}"


def _head(answer: Answer) -> Iterable[Row]:
    yield ["Request:", f"{answer['Source']} => {answer['Destination']}"]
    yield ["Listener:", answer.get("Listener") or "none"]
    if not answer["Declared"]:
        yield ["", f"{answer['Source']} has no upstream {answer['Destination']}; as if it had"]
    yield ["Protocol:", answer["Protocol"] or "unknown"]
    route = answer.get("Route")
    yield ["Route:", route["Name"] if route else "none"]
    if route and answer["Protocol"] != "tcp":
        yield ["Path:", route["PathSent"]]
        yield ["Timeout:", f"{_or_none(route['Timeout'])} ({route['TimeoutFrom']})"]
        yield ["Retries:", _retries(route.get("Retries"))]
        for key in ("Mirror", "Fault", "RateLimit"):
            if route.get(key):
                yield [f"{key}:", route[key]]
    certificate = answer.get("Certificate")
    if certificate:
        yield ["Certificate:", certificate["URI"]]
    if certificate and certificate["Local"]:
        yield ["", f"serial {certificate['Serial']}, until {certificate['ValidBefore']}"]


def _share(share: Answer) -> Iterable[Row]:
    verdict = share.get("Verdict")
    if verdict is None:
        yield ["Intention:", f"unknown: no proxy of {share['Service']} is registered here"]
    else:
        what = "allow" if verdict["Allowed"] else "deny"
        permission = verdict.get("Permission")
        which = f", permission {permission}" if permission else ""
        yield ["Intention:", f"{what}: {verdict['Reason']}{which}"]
    yield ["Balance:", share["Balance"]]
    yield ["Connect timeout:", share["ConnectTimeout"]]


def _instance(instance: Answer) -> Row:
    if instance["Usable"]:
        return [instance["ID"], instance["Address"], f"weight {instance['Weight']}"]
    return [instance["ID"], instance["Address"], f"not used: {instance['Why']}"]


def _retries(retries: Answer | None) -> str:
    if retries is None:
        return "none"
    on = [*(retries["On"] or ()), *map(str, retries.get("StatusCodes") or ())]
    return f"{retries['Count']} on {', '.join(on)}"


def _or_none(duration: str) -> str:
    return "none" if duration in {"0", "0s"} else duration


def _indented(text: str, levels: int = 1) -> str:
    return "\n".join(_INDENT * levels + line for line in text.split("\n"))
