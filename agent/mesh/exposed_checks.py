"""The paths that a proxy serves without TLS because its service is checked there.

``expose { checks = true }``: each HTTP and gRPC check of the service gets a listener with a port of
``ports.expose_min_port`` to ``expose_max_port``, which it keeps. The agent's own checks are on the
same host and go to the application itself; the listeners are for whoever checks from elsewhere.
Source: Consul, expose paths configuration reference.
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import structlog

from agent.local.state import LocalCheck, LocalState
from catalog.rows.service import ExposePath, NodeService

GRPC_HEALTH: Final = "/grpc.health.v1.Health/Check"

_log = structlog.get_logger("agent.mesh")


class ExposedChecks:
    """Chooses ports; ``ports`` gives those that may be had."""

    def __init__(self, state: LocalState, ports: Callable[[], range]) -> None:
        self._state = state
        self._ports = ports
        self._chosen: dict[tuple[str, str], int] = {}

    def paths(self, proxy: NodeService) -> tuple[ExposePath, ...]:
        """The exposed paths of a proxy's checks; ports of checks that are gone are free again."""
        checks = self._checks(proxy)
        for key in [key for key in self._chosen if key[0] == proxy.id and key[1] not in checks]:
            del self._chosen[key]
        found = (self._path(proxy.id, check) for check in checks.values())
        return tuple(path for path in found if path is not None)

    def forget(self, proxy_id: str) -> None:
        """Free the ports of a proxy that is gone."""
        for key in [key for key in self._chosen if key[0] == proxy_id]:
            del self._chosen[key]

    def _checks(self, proxy: NodeService) -> dict[str, LocalCheck]:
        service_id = proxy.proxy.destination_service_id
        if not proxy.proxy.expose.checks or not service_id:
            return {}
        return {
            check_id: entry
            for check_id, entry in sorted(self._state.checks.items())
            if entry.check.service_id == service_id
            and entry.definition is not None
            and (entry.definition.http or entry.definition.grpc)
        }

    def _path(self, proxy_id: str, entry: LocalCheck) -> ExposePath | None:
        definition = entry.definition
        assert definition is not None
        is_grpc = not definition.http
        try:
            url = urlsplit(f"//{definition.grpc}" if is_grpc else definition.http)
            port = url.port or (443 if url.scheme == "https" else 80)
        except ValueError:
            return None  # the check fails too, and says why
        listener_port = self._port(proxy_id, entry.check.check_id)
        if not listener_port:
            return None
        return ExposePath(
            listener_port=listener_port,
            path=GRPC_HEALTH if is_grpc else url.path or "/",
            local_path_port=port,
            protocol="http2" if is_grpc else "http",
            parsed_from_check=True,
        )

    def _port(self, proxy_id: str, check_id: str) -> int:
        """The check's port, or the lowest free one; 0 if there is none."""
        key = (proxy_id, check_id)
        if key not in self._chosen:
            used = set(self._chosen.values())
            port = next((port for port in self._ports() if port not in used), 0)
            if not port:
                _log.warning("no port left to expose a check", proxy=proxy_id, check=check_id)
                return 0
            self._chosen[key] = port
        return self._chosen[key]
