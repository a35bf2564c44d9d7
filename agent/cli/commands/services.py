"""``services``: register and deregister instances with this agent, by flags or from files."""

import json
from typing import Any, Final

from agent.cli.client import segment
from agent.cli.command import Call
from agent.cli.failure import Failure, explaining
from agent.cli.input import document_from
from agent.cli.output import say

_NO_SERVICE: Final = "Service registration requires at least one argument or flags."
_PORT_MAX: Final = 65535  # TCP and UDP

Definition = dict[str, Any]


def register(call: Call) -> int:
    """``services register``."""
    for definition in _from_files(call) if call.arguments else [_from_flags(call)]:
        body = json.dumps(definition).encode()
        name = _field(definition, "Name")
        with explaining(f'Error registering service "{name}"'):
            call.client.put("/v1/agent/service/register", [], body)
        say(f"Registered service: {name}")
    return 0


def deregister(call: Call) -> int:
    """``services deregister``: by ID, or by the definitions that registered them."""
    if call.arguments:
        definitions = _from_files(call)
        ids = [_field(found, "ID") or _field(found, "Name") for found in definitions]
    elif call.text("id"):
        ids = [call.text("id")]
    else:
        raise Failure("Service deregistration requires at least one argument or -id.")
    for service_id in ids:
        with explaining(f'Error deregistering service "{service_id}"'):
            call.client.put(f"/v1/agent/service/deregister/{segment(service_id)}")
        say(f"Deregistered service: {service_id}")
    return 0


def _from_flags(call: Call) -> Definition:
    if not call.text("name"):
        raise Failure(_NO_SERVICE if not call.text("id") else "Error! Missing -name")
    port = call.number("port")
    if port > _PORT_MAX:
        message = f'invalid value "{port}" for flag -port: must be from 0 to {_PORT_MAX}'
        raise Failure(message)
    addresses = {name: _address(text) for name, text in call.key_values("tagged-address").items()}
    return {
        "Kind": call.text("kind"),
        "ID": call.text("id"),
        "Name": call.text("name"),
        "Address": call.text("address"),
        "Port": port,
        "Tags": list(call.texts("tag")),
        "Meta": call.key_values("meta"),
        "TaggedAddresses": addresses,
    }


def _address(text: str) -> dict[str, Any]:
    """Address and port of ``host``, ``host:port``, ``[v6]:port`` or ``scheme://host:port``."""
    host, _, port = text.rpartition("://")[2].rpartition(":")
    if not host or text.endswith("]"):
        host, port = text.rpartition("://")[2], "0"
    if not port.isdigit() or int(port) > _PORT_MAX:
        message = f'invalid value "{text}" for flag -tagged-address: bad port "{port}"'
        raise Failure(message)
    return {"Address": host.strip("[]"), "Port": int(port)}


def _from_files(call: Call) -> list[Definition]:
    flags = ("address", "id", "kind", "meta", "name", "port", "tag", "tagged-address")
    if any(call.given(flag) for flag in flags if flag in {f.name for f in call.command.flags}):
        raise Failure("Service flags and files cannot be given together.")
    return [
        definition
        for name in call.arguments
        for definition in _definitions(document_from(name), name)
    ]


def _definitions(parsed: dict[str, Any], name: str) -> list[Definition]:
    """Return the services of a configuration file: under ``service``, ``services``, or bare."""
    listed: list[Any] = []
    for key in ("service", "services"):
        found = parsed.get(key, [])
        listed += found if isinstance(found, list) else [found]
    if not listed and _field(parsed, "Name"):
        listed = [parsed]
    if not listed or not all(isinstance(entry, dict) for entry in listed):
        message = f'Failed to parse {name}: must hold a "service" or a list "services"'
        raise Failure(message)
    return listed


def _field(definition: Definition, name: str) -> str:
    """Return a field in any case, as the API reads it."""
    for key, value in definition.items():
        if key.lower() == name.lower():
            return str(value)
    return ""
