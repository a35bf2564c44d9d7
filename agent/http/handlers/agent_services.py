"""/v1/agent/services, /v1/agent/service and /v1/agent/health/service: this node's services.

Answered by this agent alone. Source: Consul API, agent services.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from agent.http.call import Answer, Call, HttpError
from agent.http.params import boolean, read_options, token_of
from agent.local.body import read_service
from agent.local.errors import LocalFault
from agent.local.shown import AgentService, agent_service, agent_service_json, client_check_json
from agent.local.state import content_hash
from catalog.duration import SECOND
from catalog.filters import FilterError, compile_filter
from catalog.rows.check import CRITICAL, PASSING, WARNING, aggregate_status
from catalog.rows.service import NodeService

WAIT_DEFAULT_S: Final = 600.0  # Consul's longest wait, and its default
_JITTER: Final = 16  # a wait grows by up to a sixteenth, so that watchers spread out
_STATUS_CODES: Final = {PASSING: 200, WARNING: 429}  # critical and maintenance: 503


@contextmanager
def answering_faults() -> Iterator[None]:
    """Refusals of the local agent as answers."""
    try:
        yield
    except LocalFault as fault:
        raise HttpError(fault.status, str(fault)) from None
    except OSError as error:
        raise HttpError(500, f"failed writing the registration: {error.strerror}") from None


def maintenance_switch(call: Call) -> bool:
    """The ``enable`` parameter of the maintenance endpoints."""
    if not call.query.has("enable"):
        raise HttpError(400, "Missing value for enable")
    text = call.query.text("enable")
    enable = boolean(text)
    if enable is None:
        raise HttpError(400, f'Invalid value for enable: "{text}"')
    return enable


async def services(call: Call) -> Answer:
    """Every service by its ID."""
    try:
        passes = compile_filter(call.query.text("filter"), AgentService)
    except FilterError as fault:
        raise HttpError(500, f"Failed to create boolean expression evaluator: {fault}") from None
    shown = {
        service_id: agent_service(entry.service, call.datacenter)
        for service_id, entry in sorted(call.local.services().items())
    }
    return Answer(
        json={
            service_id: agent_service_json(row) for service_id, row in shown.items() if passes(row)
        }
    )


async def service(call: Call) -> Answer:
    """One service with its hash; with ``?hash=`` once that differs or the wait is over."""
    service_id, known_hash = call.path["id"], call.query.text("hash")
    if known_hash:
        wait_s = read_options(call).get("wait_ns", 0) / SECOND or WAIT_DEFAULT_S
        wait_s = min(wait_s, WAIT_DEFAULT_S)
        jitter_s = call.local.state.rng.random() * wait_s / _JITTER
        await call.local.service_after(service_id, known_hash, wait_s + jitter_s)
    entry = call.local.service(service_id)
    if entry is None:
        raise HttpError(404, f"unknown service ID: {service_id}")
    row, found_hash = agent_service(entry.service, call.datacenter), content_hash(entry.service)
    return Answer(
        json=agent_service_json(row, content_hash=found_hash),
        headers={"X-Consul-ContentHash": found_hash},
    )


async def register(call: Call) -> Answer:
    """Register a service, or replace it."""
    definition = read_service(call.body)
    replace = call.query.get("replace-existing-checks")
    with answering_faults():
        call.local.register_service(
            definition, replace_checks=replace in {"", "true"}, token=token_of(call)
        )
    return Answer()


async def deregister(call: Call) -> Answer:
    """Remove a service with its checks."""
    with answering_faults():
        call.local.deregister_service(call.path["id"])
    return Answer()


async def maintenance(call: Call) -> Answer:
    """Take a service out of use, or back."""
    if not call.path["id"]:
        raise HttpError(400, "Missing service ID")
    enable = maintenance_switch(call)
    with answering_faults():
        call.local.set_service_maintenance(
            call.path["id"],
            enable=enable,
            reason=call.query.text("reason"),
            token=token_of(call),
        )
    return Answer()


async def health_by_id(call: Call) -> Answer:
    """The health of one service as status code, text or JSON."""
    service_id = call.path["id"]
    if not service_id:
        raise HttpError(400, "Bad request: Missing serviceID")
    entry = call.local.service(service_id)
    if entry is None:
        absent = {"AggregatedStatus": CRITICAL, "Service": None, "Checks": None}
        return _health_answer(call, 404, f"ServiceId {service_id} not found", absent)
    shown = _health(call, entry.service)
    status = shown["AggregatedStatus"]
    return _health_answer(call, _STATUS_CODES.get(status, 503), status, shown)


async def health_by_name(call: Call) -> Answer:
    """The health of every service of a name; the worst decides the status code."""
    name = call.path["name"]
    if not name:
        raise HttpError(400, "Bad request: Missing service Name")
    shown = [
        _health(call, entry.service)
        for _, entry in sorted(call.local.services().items())
        if entry.service.service == name
    ]
    if not shown:
        return _health_answer(call, 404, f"ServiceName {name} Not Found", [])
    statuses = [health["AggregatedStatus"] for health in shown]
    worst = max(statuses, key=lambda status: _STATUS_CODES.get(status, 503))
    return _health_answer(call, _STATUS_CODES.get(worst, 503), worst, shown)


def _health(call: Call, row: NodeService) -> dict[str, Any]:
    checks = call.local.health_checks(row.id)
    return {
        "AggregatedStatus": aggregate_status(tuple(checks)),
        "Service": agent_service_json(agent_service(row, call.datacenter)),
        "Checks": [client_check_json(check) for check in checks],
    }


def _health_answer(call: Call, status: int, reason: str, shown: object) -> Answer:
    headers = {"X-Consul-Reason": reason}
    if _wants_text(call):
        return Answer(status=status, text=reason, content_type="text/plain", headers=headers)
    return Answer(status=status, json=shown, headers=headers)


def _wants_text(call: Call) -> bool:
    if call.headers.get("Accept", "").startswith("text/plain"):
        return True
    return call.query.text("format") == "text"
