"""``catalog``: datacenters, nodes and services that the servers know."""

from typing import Any, Final

from agent.cli.client import Query, segment
from agent.cli.command import Call
from agent.cli.failure import explaining
from agent.cli.output import WIDE_GAP, columns, key_values, say, table

_NO_NODES: Final = "No nodes match the given query - try expanding your search."
_SHORT_ID_LENGTH: Final = 8


def datacenters(call: Call) -> int:
    """``catalog datacenters``: one a line."""
    call.expect_arguments(0, 0, "")
    with explaining("Error listing datacenters"):
        found = call.client.get_json("/v1/catalog/datacenters") or []
    for name in found:
        say(name)
    return 0


def nodes(call: Call) -> int:
    """``catalog nodes``: a table."""
    call.expect_arguments(0, 0, "")
    query = _query(call)
    for name in ("near", "filter"):
        if call.text(name):
            query.append((name, call.text(name)))
    path = "/v1/catalog/nodes"
    if call.text("service"):
        path = f"/v1/catalog/service/{segment(call.text('service'))}"
    with explaining("Error listing nodes"):
        found = call.client.get_json(path, query) or []
    # A service may run more than once on a node, but a node is listed once.
    unique = list({node["Node"]: node for node in found}.values())
    if not unique:
        say(_NO_NODES)
        return 0
    header = ["Node", "ID", "Address", "DC"]
    if call.switch("detailed"):
        table([*header, "TaggedAddresses", "Meta"], [_detailed(node) for node in unique])
    else:
        table(header, [_brief(node) for node in unique])
    return 0


def _brief(node: dict[str, Any]) -> list[str]:
    return [node["Node"], node["ID"][:_SHORT_ID_LENGTH], node["Address"], node["Datacenter"]]


def _detailed(node: dict[str, Any]) -> list[str]:
    meta = node["NodeMeta"] if "NodeMeta" in node else node["Meta"]
    return [
        node["Node"],
        node["ID"],
        node["Address"],
        node["Datacenter"],
        key_values(node["TaggedAddresses"], ", "),
        key_values(meta, ", "),
    ]


def services(call: Call) -> int:
    """``catalog services``: names, one a line, with -tags a second column."""
    call.expect_arguments(0, 0, "")
    with explaining("Error listing services"):
        tags_by_service = _services(call)
    names = sorted(tags_by_service)
    if not names:
        return 0
    if call.switch("tags"):
        rows = [[name, ",".join(sorted(tags_by_service[name]))] for name in names]
        say(columns(rows, WIDE_GAP))
    else:
        for name in names:
            say(name)
    return 0


def _services(call: Call) -> dict[str, set[str]]:
    if not call.text("node"):
        found = call.client.get_json("/v1/catalog/services", _query(call)) or {}
        return {name: set(tags or ()) for name, tags in found.items()}
    answer = call.client.get_json(f"/v1/catalog/node/{segment(call.text('node'))}", _query(call))
    by_name: dict[str, set[str]] = {}
    for service in ((answer or {}).get("Services") or {}).values():
        by_name.setdefault(service["Service"], set()).update(service["Tags"] or ())
    return by_name


def _query(call: Call) -> Query:
    pairs = call.key_values("node-meta")
    return [("node-meta", f"{key}:{value}") for key, value in pairs.items()]
