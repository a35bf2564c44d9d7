"""Every metric of the agent: its name, kind, unit, meaning and labels. Nothing else is recorded.

Names are those that existing Consul dashboards read (https://developer.hashicorp.com/consul/docs/
agent/telemetry); the first part, ``consul``, is replaced by the configured prefix.
"""

from typing import Final, Literal

import msgspec

Kind = Literal["gauge", "counter", "sample", "histogram"]


class Metric(msgspec.Struct, frozen=True):
    """One metric. A sample is a distribution: its count, sum, extremes and quantiles are shown.

    A histogram is one that was counted elsewhere: how many values up to each of ``buckets``, which
    rise, and how many beyond. Unlike quantiles, histograms of many agents can be added up.
    """

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _gauge(name: str, unit: str, text: str, *labels: str) -> Metric:
    return Metric(name, "gauge", unit, text, labels)


def _counter(name: str, unit: str, text: str, *labels: str) -> Metric:
    return Metric(name, "counter", unit, text, labels)


def _sample(name: str, unit: str, text: str, *labels: str) -> Metric:
    return Metric(name, "sample", unit, text, labels)


def _histogram(name: str, unit: str, text: str, *labels: str, buckets: tuple[float, ...]) -> Metric:
    return Metric(name, "histogram", unit, text, labels, buckets)


_RUNTIME: Final = (
    _gauge("consul.runtime.alloc_bytes", "bytes", "Memory of the process that is resident."),
    _gauge("consul.runtime.sys_bytes", "bytes", "Memory of the process in its address space."),
    _gauge("consul.runtime.heap_objects", "objects", "Memory blocks that the interpreter holds."),
    _gauge("consul.runtime.num_goroutines", "tasks", "Tasks of the event loop."),
    _gauge("consul.runtime.total_gc_pause_ns", "ns", "Time spent in garbage collection so far."),
    _gauge("consul.runtime.total_gc_runs", "runs", "Garbage collections so far."),
    _sample("consul.runtime.gc_pause_ns", "ns", "Length of one garbage collection."),
    _gauge("consul.runtime.loop_lag_ms", "ms", "How late the event loop ran a timer that was due."),
    _gauge("consul.version", "1", "Always 1; the labels tell the version.", "version"),
)

_RAFT: Final = (
    _gauge("consul.raft.applied_index", "index", "Last log entry applied to the state."),
    _gauge("consul.raft.commit_index", "index", "Last log entry known as committed."),
    _gauge("consul.raft.last_index", "index", "Last log entry of this server."),
    _gauge("consul.raft.peers", "servers", "Servers in the Raft configuration."),
    _gauge("consul.raft.fsm.lastRestoreDuration", "ms", "Length of the last snapshot restore."),
    _gauge("consul.raft.leader.oldestLogAge", "ms", "Age of the oldest log entry kept."),
    _counter("consul.raft.apply", "commands", "Commands proposed by this leader."),
    _counter("consul.raft.barrier", "barriers", "Barriers proposed by this leader."),
    _counter("consul.raft.state.leader", "times", "Times this server became leader."),
    _counter("consul.raft.state.candidate", "times", "Elections this server began."),
    _counter("consul.raft.state.follower", "times", "Times this server became follower."),
    _counter("consul.raft.election_timeout", "times", "Times no leader was heard of for too long."),
    _sample("consul.raft.commitTime", "ms", "From proposal to commit, at the leader."),
    _sample("consul.raft.fsm.apply", "ms", "Applying one committed command."),
    _sample("consul.raft.leader.lastContact", "ms", "Since a follower was last in contact."),
    _sample("consul.raft.leader.dispatchLog", "ms", "Writing proposals to the leader's log."),
    _sample("consul.raft.rpc.appendEntries", "ms", "Handling one AppendEntries."),
    _sample("consul.raft.rpc.installSnapshot", "ms", "Handling one InstallSnapshot."),
    _sample("consul.raft.snapshot.create", "ms", "Making a snapshot of the state."),
    _sample("consul.raft.snapshot.persist", "ms", "Writing a snapshot to disk."),
    _sample(
        "consul.raft.replication.appendEntries.rpc", "ms", "One AppendEntries call.", "peer_id"
    ),
    _sample("consul.raft.boltdb.storeLogs", "ms", "Appending entries to the log on disk."),
)

_SERVER: Final = (
    _gauge("consul.autopilot.healthy", "1", "1 while every server is healthy, else 0."),
    _gauge("consul.autopilot.failure_tolerance", "servers", "Servers that may fail now."),
    _gauge("consul.server.isLeader", "1", "1 on the leader, else 0."),
    _gauge("consul.session_ttl.active", "sessions", "Sessions whose TTL the leader watches."),
    _gauge("consul.state.nodes", "nodes", "Nodes in the catalog.", "datacenter"),
    _gauge("consul.state.services", "services", "Service names in the catalog.", "datacenter"),
    _gauge("consul.state.service_instances", "instances", "Service instances.", "datacenter"),
    _gauge("consul.state.kv_entries", "keys", "Keys in the key-value store.", "datacenter"),
    _gauge("consul.members.clients", "members", "Client agents in the gossip pool.", "datacenter"),
    _gauge("consul.members.servers", "members", "Servers in the gossip pool.", "datacenter"),
    _gauge("consul.mesh.active-root-ca.expiry", "s", "Seconds until the mesh's root ends."),
    _gauge("consul.mesh.active-signing-ca.expiry", "s", "Seconds until what signs leaves ends."),
    _sample("consul.leader.reconcile", "ms", "Comparing members with the catalog."),
    _sample("consul.leader.reconcileMember", "ms", "Bringing one member into the catalog."),
    _sample("consul.leader.barrier", "ms", "Waiting for a new leader's first barrier."),
    _sample("consul.leader.reapTombstones", "ms", "Forgetting old tombstones."),
    _sample("consul.kvs.apply", "ms", "A write to the key-value store."),
    _sample("consul.txn.apply", "ms", "A transaction that writes."),
    _sample("consul.txn.read", "ms", "A transaction that only reads."),
    _sample("consul.catalog.register", "ms", "A catalog registration."),
    _sample("consul.catalog.deregister", "ms", "A catalog deregistration."),
    _sample("consul.session.apply", "ms", "Making or destroying a session."),
    _sample("consul.session.renew", "ms", "Renewing a session."),
    _sample("consul.session_ttl.invalidate", "ms", "Invalidating a session whose TTL ended."),
    _sample("consul.prepared-query.apply", "ms", "Writing a prepared query."),
    _sample("consul.prepared-query.execute", "ms", "Executing a prepared query."),
    _sample("consul.intention.apply", "ms", "Writing an intention."),
    _sample("consul.config_entry.apply", "ms", "Writing a configuration entry."),
    _sample("consul.acl.ResolveToken", "ms", "Finding what a token allows."),
    _sample("consul.fsm.register", "ms", "Applying a registration to the state."),
    _sample("consul.fsm.kvs", "ms", "Applying a key-value change to the state.", "op"),
    _sample("consul.fsm.session", "ms", "Applying a session change to the state.", "op"),
    _sample("consul.fsm.txn", "ms", "Applying a transaction to the state."),
    _sample("consul.fsm.persist", "ms", "Encoding the state for a snapshot."),
)

_CALLS: Final = (
    _gauge("consul.rpc.queries_blocking", "queries", "Blocking queries that wait."),
    _counter("consul.rpc.request", "calls", "Calls that other agents made to this server."),
    _counter("consul.rpc.request_error", "calls", "Calls of other agents that failed."),
    _counter("consul.rpc.query", "queries", "Reads that this server ran."),
    _counter("consul.rpc.cross-dc", "calls", "Calls sent to another datacenter.", "datacenter"),
    _counter("consul.rpc.accept_conn", "connections", "Connections of other agents."),
    _counter(
        "consul.rpc.connection_refused", "connections", "Connections that were refused.", "cause"
    ),
    _counter("consul.rpc.rate_limit.exceeded", "calls", "Calls refused by a rate limit.", "op"),
    _sample("consul.rpc.server.call", "ms", "One call that this server ran.", "method"),
    _sample("consul.rpc.consistentRead", "ms", "Making sure of leadership before a read."),
    _counter("consul.raft.transport", "events", "Connections between servers.", "event"),
    _counter("consul.client.rpc", "calls", "Calls that this agent made to servers."),
    _counter("consul.client.rpc.failed", "calls", "Calls to servers that failed.", "server"),
    _counter("consul.client.rpc.exceeded", "calls", "Calls refused by this agent's rate limit."),
    _counter("consul.client.api.catalog_register", "requests", "Registration requests.", "node"),
    _counter("consul.client.api.catalog_deregister", "requests", "Deregistrations.", "node"),
    _counter("consul.client.api.catalog_datacenters", "requests", "Datacenter lists.", "node"),
    _counter("consul.client.api.catalog_nodes", "requests", "Node lists.", "node"),
    _counter("consul.client.api.catalog_services", "requests", "Service lists.", "node"),
    _counter("consul.client.api.catalog_service_nodes", "requests", "Instance lists.", "node"),
    _counter("consul.client.api.catalog_node_services", "requests", "Services of a node.", "node"),
    _counter("consul.catalog.service.query", "queries", "Queries for a service.", "service"),
    _counter("consul.catalog.service.not-found", "queries", "Without any instance.", "service"),
    _counter("consul.catalog.service.query-tag", "queries", "Queries by tag.", "service", "tag"),
    _sample("consul.api.http", "ms", "One HTTP request.", "method", "path"),
    _gauge("consul.http.connections", "connections", "HTTP connections that are open."),
    _counter("consul.http.connections_refused", "connections", "Over the limit of one address."),
    _sample("consul.dns.domain_query", "ms", "One DNS query for the domain.", "node"),
    _sample("consul.dns.ptr_query", "ms", "One reverse DNS query.", "node"),
    _counter("consul.dns.stale_queries", "queries", "Answers from state over 5 s old."),
)

_GOSSIP: Final = (
    _counter("consul.serf.member.join", "members", "Members seen to join."),
    _counter("consul.serf.member.left", "members", "Members seen to leave."),
    _counter("consul.serf.member.failed", "members", "Members seen to fail."),
    _counter("consul.serf.member.flap", "members", "Members back soon after failing."),
    _counter("consul.serf.events", "events", "User events received."),
    _counter("consul.serf.snapshot.appendLine", "lines", "Lines added to the member file."),
    _gauge("consul.serf.queue.Event", "messages", "Events that wait for gossip."),
    _gauge("consul.serf.queue.Intent", "messages", "Intents that wait for gossip."),
    _gauge("consul.serf.queue.Query", "messages", "Queries that wait for gossip."),
    _sample("consul.memberlist.gossip", "ms", "One round of gossip.", "network"),
    _sample("consul.memberlist.probeNode", "ms", "One probe of a member.", "network"),
    _sample("consul.memberlist.pushPullNode", "ms", "One exchange of full states.", "network"),
    _gauge("consul.memberlist.health.score", "score", "Own slowness, 0 is healthy.", "network"),
    _counter("consul.memberlist.udp.sent", "bytes", "Sent by UDP.", "network"),
    _counter("consul.memberlist.udp.received", "bytes", "Received by UDP.", "network"),
    _counter("consul.memberlist.tcp.sent", "bytes", "Sent by TCP.", "network"),
    _counter("consul.memberlist.tcp.accept", "connections", "TCP connections.", "network"),
    _counter("consul.memberlist.msg.alive", "messages", "Alive messages.", "network"),
    _counter("consul.memberlist.msg.dead", "messages", "Dead messages.", "network"),
    _counter("consul.memberlist.msg.suspect", "messages", "Suspect messages.", "network"),
    _counter("consul.memberlist.degraded.probe", "probes", "Probes while slow.", "network"),
)

_AGENT: Final = (
    _gauge("consul.agent.checks.running", "checks", "Checks that this agent runs.", "type"),
    _counter("consul.agent.sync.failed", "times", "Failed syncs with the catalog."),
    _gauge("consul.agent.watches", "watches", "Keys of the state that queries wait for."),
    _counter("consul.agent.log.dropped_lines", "lines", "Lines a slow monitor has lost."),
    _gauge("consul.agent.tls.cert.expiry", "s", "Seconds until the agent's certificate ends."),
    _gauge("consul.mesh.leaf-cert.expiry", "s", "Seconds until the first leaf here ends."),
    _gauge("consul.cache.entries_count", "entries", "Entries of the agent's cache."),
    _counter("consul.cache.fetch_success", "fetches", "Fetches into the cache."),
    _counter("consul.cache.fetch_error", "fetches", "Failed fetches into the cache."),
    _counter("consul.cache.bypass", "requests", "Requests past the cache."),
)

REQUEST_BUCKETS_MS: Final = (
    0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0,
)  # fmt: skip
"""Those that proxies count by."""
_EDGE: Final = ("source", "destination", "route", "direction")
_MESH: Final = (
    _counter("consul.mesh.requests", "requests", "Requests by response class.", *_EDGE, "class"),
    _histogram(
        "consul.mesh.request_duration_ms",
        "ms",
        "From a request's head to the end of its answer.",
        *_EDGE,
        buckets=REQUEST_BUCKETS_MS,
    ),
    _counter("consul.mesh.connections", "connections", "Connections accepted.", *_EDGE),
    _gauge("consul.mesh.connections_open", "connections", "Connections that are open.", *_EDGE),
    _counter("consul.mesh.connect_failures", "times", "Instances not reached.", *_EDGE),
    _counter("consul.mesh.bytes_received", "bytes", "Received of the source.", *_EDGE),
    _counter("consul.mesh.bytes_sent", "bytes", "Sent to the source.", *_EDGE),
    _counter("consul.mesh.denied", "times", "Refused by intentions.", *_EDGE),
    _counter("consul.mesh.limited", "times", "Refused by limits.", *_EDGE),
    _counter("consul.mesh.retries", "requests", "Requests sent once more.", *_EDGE),
    _counter("consul.mesh.retries_over_budget", "requests", "Not sent once more.", *_EDGE),
    _counter("consul.mesh.mirrored", "requests", "Copies sent elsewhere.", *_EDGE),
    _counter("consul.mesh.faults_injected", "requests", "Delayed or ended on purpose.", *_EDGE),
    _counter(
        "consul.mesh.handshake_failures", "times", "TLS handshakes refused.", "proxy", "reason"
    ),
    _gauge("consul.mesh.proxy.workers", "workers", "Workers that serve a proxy.", "proxy"),
    _gauge("consul.mesh.proxy.faults", "faults", "Listeners and clusters that fail.", "proxy"),
    _gauge(
        "consul.mesh.proxy.config_age_s", "s", "Since a proxy's configuration changed.", "proxy"
    ),
    _gauge(
        "consul.mesh.proxy.config_pending_s",
        "s",
        "How long a proxy's newest configuration waits to be applied; 0 once it is.",
        "proxy",
    ),
    _gauge("consul.mesh.worker.resident_bytes", "bytes", "Resident memory of a worker.", "worker"),
    _gauge("consul.mesh.worker.loop_lag_ms", "ms", "Longest stall of the last second.", "worker"),
)

METRICS: Final = _RUNTIME + _RAFT + _SERVER + _CALLS + _GOSSIP + _AGENT + _MESH
