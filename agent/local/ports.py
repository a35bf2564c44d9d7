"""Ports of sidecars: the lowest free one of a range; a sidecar that is there keeps its port."""

from collections.abc import Mapping
from typing import Final, Protocol

from agent.local.errors import BadDefinition
from agent.local.state import LocalService

SIDECAR_PORT_MIN: Final = 21000  # Consul's sidecar_min_port
SIDECAR_PORT_MAX: Final = 21255  # Consul's sidecar_max_port


class PortRange(Protocol):
    """The part of the settings that is used."""

    @property
    def sidecar_port_min(self) -> int:
        """The first port; below 1 turns assignment off."""

    @property
    def sidecar_port_max(self) -> int:
        """The last port; below 1 turns assignment off."""


class SidecarPorts:
    """Chooses ports for the sidecars of one request, each once."""

    def __init__(self, services: Mapping[str, LocalService], settings: PortRange) -> None:
        self._first = settings.sidecar_port_min
        self._last = settings.sidecar_port_max
        self._services = services
        self._used = {entry.service.port for entry in services.values()}

    def choose(self, sidecar_id: str) -> int:
        """A port for the sidecar of this ID. Raises BadDefinition when none is left."""
        if self._first < 1 or self._last < 1:
            raise BadDefinition(
                "no port provided for sidecar_service and auto-assignment disabled in config"
            )
        ports = range(self._first, self._last + 1)
        registered = self._services.get(sidecar_id)
        if registered is not None and registered.service.port in ports:
            return registered.service.port
        for port in ports:
            if port not in self._used:
                self._used.add(port)
                return port
        message = (
            "no port provided for sidecar_service and none left in the configured range "
            f"[{self._first}, {self._last}]"
        )
        raise BadDefinition(message)
