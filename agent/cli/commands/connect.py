"""``connect ca``: the mesh's certificate authority, its roots and the leaves below them."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from agent.cli.command import Call
from agent.cli.failure import Failure, explaining
from agent.cli.input import document_from
from agent.cli.output import say, spaced_json, tabbed_json, table
from agent.connect.renewal import root_due_s
from catalog.duration import SECOND, parse_duration

_BASE = "/v1/connect/ca"
_PATH = f"{_BASE}/configuration"


def get_config(call: Call) -> int:
    """``connect ca get-config``: JSON."""
    call.expect_arguments(0, 0, "")
    with explaining("Error querying CA configuration"):
        configuration = call.client.get_json(_PATH)
    say(tabbed_json(configuration))
    return 0


def set_config(call: Call) -> int:
    """``connect ca set-config -config-file FILE``."""
    call.expect_arguments(0, 0, "")
    name = call.text("config-file")
    if not name:
        raise Failure("The -config-file flag is required")
    wanted = document_from(name)
    if call.switch("force-without-cross-signing"):
        wanted["ForceWithoutCrossSigning"] = True
    with explaining("Error setting CA configuration"):
        call.client.put_json(_PATH, wanted)
    say("Configuration updated!")
    return 0


def revoke(call: Call) -> int:
    """``connect ca revoke SERIAL...`` or ``-service NAME``."""
    service, serials = call.text("service"), call.arguments
    if bool(service) == bool(serials):
        raise Failure("Must provide either serial numbers or -service")
    wanted = [("service", service)] if service else [("serial", serial) for serial in serials]
    for which in wanted:
        with explaining("Error revoking certificate"):
            answer = call.client.put(f"{_BASE}/revoke", [which, ("reason", call.text("reason"))])
        for row in answer.json():
            say(f"Revoked: {row['Serial']} {row['URI']}".rstrip())
    return 0


def revocations(call: Call) -> int:
    """``connect ca revocations``: a table, or JSON."""
    return _listed(call, "revocations", ("Serial", "RevokedAt", "ExpiresAt", "URI", "Reason"))


def leaves(call: Call) -> int:
    """``connect ca leaves``: a table, or JSON."""
    return _listed(call, "leaves", ("Serial", "ExpiresAt", "URI", "RootID"))


def _listed(call: Call, what: str, fields: tuple[str, ...]) -> int:
    call.expect_arguments(0, 0, "")
    query = [("filter", call.text("filter"))] if what == "leaves" and call.text("filter") else []
    with explaining("Error querying certificates"):
        rows = call.client.get_json(f"{_BASE}/{what}", query)
    if call.text("format") == "json":
        say(spaced_json(rows))
    elif rows:
        table(fields, [[str(row[field]) or "-" for field in fields] for row in rows])
    return 0


def roots(call: Call) -> int:
    """``connect ca roots``: when each one ends and, if it is known, is replaced; its leaves."""
    call.expect_arguments(0, 0, "")
    with explaining("Error querying root certificates"):
        found = call.client.get_json(f"{_BASE}/roots")["Roots"]
        living = Counter(leaf["RootID"] for leaf in call.client.get_json(f"{_BASE}/leaves"))
        configuration = call.client.get_json(_PATH)
    rows = [
        [
            root["ID"],
            "active" if root["Active"] else "inactive",
            f"{root['PrivateKeyType']} {root['PrivateKeyBits']}",
            root["NotAfter"],
            _next_root(root, configuration) if root["Active"] else "-",
            str(living[root["ID"]]),
        ]
        for root in found
    ]
    table(("ID", "State", "Key", "Ends", "Next Root", "Leaves"), rows)
    return 0


def _next_root(root: dict[str, Any], configuration: dict[str, Any]) -> str:
    """When the servers make another root."""
    config = configuration["Config"]
    given = [config.get(name) for name in ("PrivateKey", "RootCert", "DisableCrossSigning")]
    if configuration["Provider"] != "consul" or any(given):
        return "by hand"
    start, end = (datetime.fromisoformat(root[name]) for name in ("NotBefore", "NotAfter"))
    leaf_life_s = parse_duration(config["LeafCertTTL"]) / SECOND
    due_s = root_due_s(start.timestamp(), end.timestamp(), leaf_life_s)
    return datetime.fromtimestamp(int(due_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rotate(call: Call) -> int:
    """``connect ca rotate``: another root; ``-plan`` only says what would happen."""
    if call.switch("plan"):
        return roots(call)
    call.expect_arguments(0, 0, "")
    with explaining("Error rotating root certificate"):
        call.client.put(f"{_BASE}/rotate")
        active = call.client.get_json(f"{_BASE}/roots")["ActiveRootID"]
    say(f"Active root: {active}")
    return 0
