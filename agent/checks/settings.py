"""What the agent's configuration says about all checks, and the limits that hold for each."""

import ssl
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from agent.checks.definition import CheckType
from agent.checks.output import OUTPUT_BYTES_MAX
from catalog.duration import SECOND

INTERVAL_MIN_NS: Final = SECOND  # a faster check costs the host more than it tells
NETWORK_TIMEOUT_NS: Final = 10 * SECOND  # http, tcp, udp, grpc, h2ping; as Consul
COMMAND_TIMEOUT_NS: Final = 30 * SECOND  # script, docker, os_service; as Consul
DOCKER_HOST: Final = "unix:///var/run/docker.sock"


class Random(Protocol):
    """The one method of a random generator that spreads checks over their interval."""

    def random(self) -> float:
        """A number in [0, 1)."""
        ...


class CheckSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The agent's side of checks.

    ``agent_tls`` makes a fresh client context with the agent's CA and certificate; it is given
    exactly when ``enable_agent_tls_for_checks`` is on. ``docker_host`` is ``unix:///path`` or
    ``tcp://host:port``, from the environment variable DOCKER_HOST.
    """

    output_bytes_max: int = OUTPUT_BYTES_MAX
    agent_tls: Callable[[], ssl.SSLContext] | None = None
    docker_host: str = DOCKER_HOST


def timeout_ns(definition: CheckType, default_ns: int) -> int:
    """Nanoseconds that one run may take."""
    return definition.timeout_ns if definition.timeout_ns > 0 else default_ns
