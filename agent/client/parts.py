"""Makes a client agent's way to the servers out of its parts.

    members (gossip) ─► pool (one connection to one server) ─► router ─► cache of reads

Nothing here decides anything.
"""

from agent.clock import monotonic_s
from agent.config import RuntimeConfig
from agent.rpc import wire
from agent.rpc.dial import Dialler
from agent.rpc.meter import Count
from agent.rpc.pool import Pool, Servers
from agent.rpc.read_cache import ReadCache
from agent.rpc.remote_router import CallLimits, RemoteRouter
from agent.rpc.security import Security
from agent.rpc.server import Random
from agent.tasks import Tasks
from catalog.duration import SECOND


class ClientParts:
    """Every part of a running client agent's way to the servers, by name."""

    def __init__(  # noqa: PLR0913 - everything that the edge gives, named
        self,
        config: RuntimeConfig,
        node_id: str,
        servers: Servers,
        *,
        tasks: Tasks,
        rng: Random,
        count: Count,
        security: Security,
    ) -> None:
        hello = wire.Hello(
            node=config.node_name,
            node_id=node_id,
            datacenter=config.datacenter,
            role=wire.Role.CLIENT,
        )
        dialler = Dialler(hello, config.limits.rpc_handshake_timeout / SECOND, security)
        self.pool = Pool(servers, dialler, tasks.start, rng)
        self.router = RemoteRouter(
            self.pool,
            config.datacenter,
            CallLimits.of(config),
            rng=rng,
            now_s=monotonic_s,
            count=count,
        )
        self.router.cache = ReadCache(
            self.router.call,
            start_task=tasks.start,
            rng=rng,
            now_s=monotonic_s,
            default_wait_ns=lambda: self.router.limits.default_query_time,
        )

    def start(self) -> None:
        """Begin to follow the servers."""
        self.pool.start()

    def stop(self) -> None:
        """End the connection; calls in progress fail."""
        self.pool.close()

    def apply(self, config: RuntimeConfig) -> None:
        """Use new limits from the next call on."""
        self.router.limits = CallLimits.of(config)
