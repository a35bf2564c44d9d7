"""What the agent's gauges show of its parts, set whenever metrics are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.compose import Agent
from agent.telemetry.metrics import Metrics
from agent.version import COMPATIBLE
from catalog.tables import KV, NODES, SERVICES

if TYPE_CHECKING:
    from agent.server.parts import ServerParts


class Gauges:
    """Reads the parts; it changes nothing but gauges."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def collect(self, metrics: Metrics) -> None:
        """Set every gauge."""
        metrics.gauge("consul.version", 1, version=COMPATIBLE)
        if self._agent.server is not None:
            self._collect_server(metrics, self._agent.server)
        metrics.gauge("consul.http.connections", len(self._agent.http.shared.connections))
        looking, waiting = self._agent.runner.counts()
        metrics.gauge("consul.agent.checks.running", looking, type="monitor")
        metrics.gauge("consul.agent.checks.running", waiting, type="ttl")
        leaf_left_s = self._agent.services.leaf_expires_in_s()
        if leaf_left_s is not None:
            metrics.gauge("consul.mesh.leaf-cert.expiry", round(leaf_left_s))

    def _collect_server(self, metrics: Metrics, server: ServerParts) -> None:
        datacenter = self._agent.config.datacenter
        driver, store = server.driver, server.store
        metrics.gauge("consul.raft.applied_index", driver.applied_index)
        metrics.gauge("consul.raft.commit_index", driver.commit_index)
        metrics.gauge("consul.raft.last_index", driver.last_index)
        metrics.gauge("consul.raft.peers", len(driver.configuration.servers))
        metrics.gauge("consul.server.isLeader", int(driver.is_leader))
        assessment = server.autopilot.assessment
        if assessment is not None:  # only the leader's is known
            metrics.gauge("consul.autopilot.healthy", int(assessment.is_healthy))
            metrics.gauge("consul.autopilot.failure_tolerance", assessment.failure_tolerance)
        left = server.authority.expires_in_s() if server.authority and driver.is_leader else None
        if left is not None:
            metrics.gauge("consul.mesh.active-root-ca.expiry", round(left.root_s))
            metrics.gauge("consul.mesh.active-signing-ca.expiry", round(left.signing_s))
        metrics.gauge("consul.session_ttl.active", server.timers.active)
        metrics.gauge("consul.rpc.queries_blocking", server.router.blocked_count)
        metrics.gauge("consul.state.nodes", store.count(NODES), datacenter=datacenter)
        metrics.gauge("consul.agent.watches", len(store.watches))
        names = store.values(SERVICES, "service")
        metrics.gauge("consul.state.services", len(names), datacenter=datacenter)
        instances = store.count(SERVICES)
        metrics.gauge("consul.state.service_instances", instances, datacenter=datacenter)
        metrics.gauge("consul.state.kv_entries", store.count(KV), datacenter=datacenter)
