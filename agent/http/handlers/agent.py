"""/v1/agent, about the agent itself. Source: Consul API, agent."""

import asyncio
import platform
import re
from pathlib import Path
from typing import Any, Final

from agent.clock import wall_s
from agent.http.call import Answer, Call, HttpError
from agent.telemetry.logs import LEVELS
from agent.version import COMPATIBLE, REVISION, VERSION

_PROMETHEUS_ACCEPT: Final = re.compile(
    r"application/openmetrics-text|text/plain;\s*version=0\.0\.4"
)


async def self_(call: Call) -> Answer:
    """Who this agent is, how it is configured and how it fares."""
    services = call.front.services
    return Answer(
        json={
            "Config": {
                "Datacenter": call.datacenter,
                "NodeName": call.node_name,
                "NodeID": services.node_id,
                "Revision": REVISION,
                "Server": services.config.server,
                "Version": COMPATIBLE,
            },
            "DebugConfig": services.debug_config(),
            "Coord": services.coordinate(),
            "Member": services.member(),
            "Stats": services.stats(),
            "Meta": services.node_meta(),
        }
    )


async def version(_call: Call) -> Answer:
    """The program's own version, and the release whose API it gives."""
    return Answer(
        json={
            "SHA": REVISION,
            "BuildDate": "",
            "HumanVersion": f"{VERSION} (Consul {COMPATIBLE} API)",
            "FIPS": "",
        }
    )


async def host(_call: Call) -> Answer:
    """The machine: memory, processors, system, disk."""
    return Answer(json=await asyncio.to_thread(_host))


def _host() -> dict[str, Any]:
    memory = _memory()
    disk = _disk()
    return {
        "Memory": memory,
        "CPU": _processors(),
        "Host": {
            "hostname": platform.node(),
            "uptime": int(float(Path("/proc/uptime").read_text().split()[0])),
            "os": platform.system().lower(),
            "platform": platform.system().lower(),
            "kernelVersion": platform.release(),
            "kernelArch": platform.machine(),
        },
        "Disk": disk,
        "CollectionTime": int(wall_s() * 1e9),
        "Errors": None,
    }


def _memory() -> dict[str, Any]:
    fields = dict(
        line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if line
    )

    def size(name: str) -> int:
        return int(fields.get(name, "0 kB").split()[0]) * 1024

    total, available = size("MemTotal"), size("MemAvailable")
    used = total - available
    return {
        "total": total,
        "available": available,
        "used": used,
        "usedPercent": 100 * used / total if total else 0.0,
        "free": size("MemFree"),
    }


def _processors() -> list[dict[str, Any]]:
    blocks = Path("/proc/cpuinfo").read_text().strip().split("\n\n")
    processors = []
    for number, block in enumerate(blocks):
        fields = {
            key.strip(): value.strip()
            for key, _, value in (line.partition(":") for line in block.splitlines())
        }
        processors.append(
            {
                "cpu": number,
                "vendorId": fields.get("vendor_id", ""),
                "modelName": fields.get("model name", ""),
                "mhz": float(fields.get("cpu MHz", 0) or 0),
                "flags": fields.get("flags", "").split(),
            }
        )
    return processors


def _disk() -> dict[str, Any]:
    import shutil

    usage = shutil.disk_usage("/")
    return {
        "path": "/",
        "total": usage.total,
        "free": usage.free,
        "used": usage.used,
        "usedPercent": 100 * usage.used / usage.total if usage.total else 0.0,
    }


async def members(call: Call) -> Answer:
    """The members of the cluster that this agent knows."""
    query = call.query
    wide = bool(query.text("wan"))
    if wide and query.text("segment") not in {"", "_all"}:
        raise HttpError(400, "Cannot provide a segment with wan=true")
    return Answer(json=call.front.services.members(wide=wide))


async def join(call: Call) -> Answer:
    """Join another agent."""
    await call.front.services.join(call.path["address"], wide=bool(call.query.text("wan")))
    return Answer()


async def leave(call: Call) -> Answer:
    """Leave the cluster and end the process."""
    call.front.services.leave()
    return Answer()


async def force_leave(call: Call) -> Answer:
    """Count a failed member as having left."""
    query = call.query
    await call.front.services.force_leave(
        call.path["node"], prune=query.has("prune"), wide=query.has("wan")
    )
    return Answer()


async def reload(call: Call) -> Answer:
    """Read the configuration again and apply what can change live."""
    await call.front.services.reload()
    return Answer()


async def token(call: Call) -> Answer:
    """Tokens belong to access control, which is off."""
    del call
    raise HttpError(401, "ACL support disabled")


async def metrics(call: Call) -> Answer:
    """The metrics, as JSON or for Prometheus."""
    services = call.front.services
    wants_prometheus = call.query.text("format") == "prometheus" or _PROMETHEUS_ACCEPT.search(
        call.headers.get("Accept", "")
    )
    if not wants_prometheus:
        return Answer(json=services.metrics_json())
    if services.config.telemetry.prometheus_retention_time <= 0:
        raise HttpError(
            415,
            "Prometheus is not enabled since its retention time is not positive "
            "(telemetry.prometheus_retention_time)",
        )
    return Answer(
        body=services.metrics_prometheus(),
        content_type="text/plain; version=0.0.4; charset=utf-8",
    )


async def metrics_stream(call: Call) -> Answer:
    """The metrics of each interval as it ends, a line of JSON each."""
    return Answer(stream=call.front.services.metrics_stream(), content_type="application/json")


async def monitor(call: Call) -> Answer:
    """Stream the log until the client goes away."""
    level = (call.query.text("loglevel") or "INFO").upper()
    if level not in LEVELS:
        raise HttpError(400, f"Bad request: Unknown log level: {call.query.text('loglevel')}")
    as_json = call.query.has("logjson")
    return Answer(
        stream=call.front.services.follow_log(level, as_json=as_json),
        content_type="text/plain; charset=utf-8",
    )
