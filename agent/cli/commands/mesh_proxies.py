"""``mesh proxies``: an agent's proxies, what they serve and whether they have what they should."""

from collections.abc import Iterable
from typing import Any, Final

from agent.cli.command import Call
from agent.cli.failure import Failure, explaining
from agent.cli.output import columns, say, tabbed_json, table
from agent.cli.quantity import age, duration

HEADER: Final = ("ID", "SERVICE", "KIND", "LISTENERS", "INSTANCES", "CONFIG", "STATE")
FORMATS: Final = ("pretty", "json")
PENDING_S_MAX: Final = 5.0  # a worker takes a configuration within milliseconds
_PATH: Final = "/v1/internal/mesh/proxies"

Proxy = dict[str, Any]


def check_format(call: Call) -> None:
    """Raise Failure for an unknown -format."""
    if call.text("format") not in FORMATS:
        message = f"-format must be one of {', '.join(FORMATS)}"
        raise Failure(message)


def proxies(call: Call) -> int:
    """``mesh proxies``: 0 if all of them are served as they should be, else 1."""
    call.expect_arguments(0, 0, "")
    check_format(call)
    with explaining("Error asking for the proxies"):
        found: list[Proxy] = call.client.get_json(_PATH)
    if call.text("format") == "json":
        say(tabbed_json(found))
    else:
        table(HEADER, [_row(proxy) for proxy in found])
        if call.switch("detailed"):
            say("\n".join(_details(found)))
    return 0 if all(_state(proxy) in {"serving", "elsewhere"} for proxy in found) else 1


def _row(proxy: Proxy) -> list[str]:
    instances = proxy["Instances"] or []
    ejected = sum(each["Ejected"] for each in instances)
    return [
        proxy["ID"],
        proxy["Service"],
        proxy["Kind"],
        str(len(proxy["Listeners"] or ())),
        f"{len(instances)} ({ejected} set aside)" if ejected else str(len(instances)),
        f"index {proxy['Index']}, {age(proxy['AgeS'])} old",
        _state(proxy),
    ]


def _state(proxy: Proxy) -> str:
    if not proxy["Version"]:
        return "elsewhere"
    if not proxy["Workers"]:
        return "no worker"
    if proxy["PendingS"] > PENDING_S_MAX:
        return f"waits for {age(proxy['PendingS'])}"
    return f"{len(proxy['Faults'])} faults" if proxy["Faults"] else "serving"


def _details(found: Iterable[Proxy]) -> Iterable[str]:
    for proxy in found:
        rows = [
            [each["Name"], each["Direction"], each["Address"], each.get("Fault") or "listening"]
            for each in proxy["Listeners"] or ()
        ]
        for each in proxy["Instances"] or ():
            place = f"{each['Endpoint']} at {each['Address']}"
            rows.append([each["Cluster"], place, f"{each['Active']} active", _instance(each)])
        yield f"\n{proxy['ID']}:"
        if rows:
            yield columns(rows)
        for reason, count in sorted(proxy["HandshakeFailures"].items()):
            yield f"handshakes refused: {count} ({reason})"


def _instance(instance: dict[str, Any]) -> str:
    if instance["Ejected"]:
        return "set aside"
    return duration(instance["LatencyMs"]) if instance["LatencyMs"] else "not used yet"
