"""What the cluster can do: one table of endpoints, from which forwarding, consistency, blocking,
filtering and metrics labels are read.

A read is a pure function ``run(read, request, server) -> value``; it may give ``Elsewhere(ask)``
instead, when the value has to be asked for in another datacenter. A write is a pure function
``run(server, request) -> Command``, which stamps ids and times and is then proposed; it may give
``Done(value)`` instead, when there is nothing to write. What applying the command gives is the
reply's value. A task is a write of several steps, ``await run(server, request) -> value``.
"""

from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Any, NamedTuple, get_type_hints

from agent.rpc.endpoints import (
    catalog,
    chain,
    config_entry,
    connect,
    coordinate,
    health,
    intention,
    internal,
    kv,
    operator,
    query,
    raft_stats,
    server_state,
    service_config,
    session,
    topology,
    txn,
)
from agent.rpc.request import ReadRequest, WriteRequest
from catalog.rows.check import CheckServiceNode, HealthCheck
from catalog.rows.connect import CALeaf, CARevocation
from catalog.rows.intention import Intention
from catalog.rows.node import Node
from catalog.rows.service import NodeService, ServiceNode
from catalog.rows.session import Session
from catalog.schema import Row
from catalog.transactions import TxnResult


class Knows(Enum):
    """Which server can answer."""

    EVERY_REPLICA = auto()  # it is in the replicated state: whoever is up to date
    LEADER = auto()  # only the leader knows or may do it
    ANY_SERVER = auto()  # it has nothing to do with the log


class ReadEndpoint(NamedTuple):
    """A read: its wire name, its request, how it runs, and the row that ``filter`` sees.

    ``reply`` is the reply's type where it is not all that ``run`` may return.
    """

    name: str
    request: type[ReadRequest]
    run: Callable[[Any, Any, Any], Any]
    filters: type[Row] | None = None
    knows: Knows = Knows.EVERY_REPLICA
    reply: Any = None


class WriteEndpoint(NamedTuple):
    """A write: its wire name, its request, how it becomes a command, and the reply's type."""

    name: str
    request: type[WriteRequest]
    run: Callable[[Any, Any], Any]
    reply: Any = bool


class TaskEndpoint(NamedTuple):
    """A write that takes several steps of the leader: its wire name, its request, its work.

    ``repeatable``: it does no harm to ask again when the answer was lost.
    """

    name: str
    request: type[WriteRequest]
    run: Callable[[Any, Any], Awaitable[Any]]
    repeatable: bool = False
    knows: Knows = Knows.LEADER


Endpoint = ReadEndpoint | WriteEndpoint | TaskEndpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    WriteEndpoint("KVS.Apply", kv.KvApply, kv.apply),
    ReadEndpoint("KVS.Get", kv.KvGet, kv.get),
    ReadEndpoint("KVS.List", kv.KvList, kv.list_pairs),
    ReadEndpoint("KVS.ListKeys", kv.KvListKeys, kv.list_keys),
    WriteEndpoint("Txn.Apply", txn.TxnApply, txn.apply, tuple[TxnResult, ...]),
    ReadEndpoint("Txn.Read", txn.TxnRead, txn.read),
    WriteEndpoint("Session.Create", session.SessionApply, session.create, str),
    WriteEndpoint("Session.Destroy", session.SessionDestroy, session.destroy),
    WriteEndpoint("Session.Renew", session.SessionRenew, session.renew, Session | None),
    ReadEndpoint("Session.Get", session.SessionGet, session.get),
    ReadEndpoint("Session.NodeSessions", session.NodeSessions, session.of_node),
    ReadEndpoint("Session.List", session.SessionList, session.list_all),
    WriteEndpoint("Catalog.Register", catalog.CatalogRegister, catalog.register),
    WriteEndpoint("Catalog.Deregister", catalog.CatalogDeregister, catalog.deregister),
    ReadEndpoint(
        "Catalog.ListDatacenters",
        server_state.ListDatacenters,
        server_state.list_datacenters,
        knows=Knows.ANY_SERVER,
    ),
    ReadEndpoint("Catalog.ListNodes", catalog.ListNodes, catalog.list_nodes, Node),
    ReadEndpoint("Catalog.ListServices", catalog.ListServices, catalog.list_services),
    ReadEndpoint("Catalog.ServiceNodes", catalog.ServiceNodes, catalog.service_nodes, ServiceNode),
    ReadEndpoint("Catalog.NodeServices", catalog.NodeServices, catalog.node_services, NodeService),
    ReadEndpoint("Catalog.NodeByAddress", catalog.NodeByAddress, catalog.by_address),
    ReadEndpoint("Catalog.GatewayServices", catalog.GatewayServices, catalog.gateway_services),
    ReadEndpoint("Health.NodeChecks", health.NodeChecks, health.node_checks, HealthCheck),
    ReadEndpoint("Health.ServiceChecks", health.ServiceChecks, health.service_checks, HealthCheck),
    ReadEndpoint("Health.ChecksInState", health.ChecksInState, health.in_state, HealthCheck),
    ReadEndpoint(
        "Health.ServiceNodes", health.HealthServiceNodes, health.service_nodes, CheckServiceNode
    ),
    ReadEndpoint(
        "Coordinate.ListDatacenters",
        server_state.ListDatacenterMaps,
        server_state.list_datacenter_maps,
        knows=Knows.ANY_SERVER,
    ),
    ReadEndpoint("Coordinate.ListNodes", coordinate.CoordinateNodes, coordinate.list_nodes),
    ReadEndpoint("Coordinate.Node", coordinate.CoordinateNode, coordinate.of_node),
    WriteEndpoint("Coordinate.Update", coordinate.CoordinateApply, coordinate.update),
    WriteEndpoint("PreparedQuery.Apply", query.QueryApply, query.apply, str),
    WriteEndpoint("PreparedQuery.Delete", query.QueryRemove, query.remove),
    ReadEndpoint("PreparedQuery.Get", query.QueryGet, query.get),
    ReadEndpoint("PreparedQuery.List", query.QueryList, query.list_all),
    ReadEndpoint(
        "PreparedQuery.Execute", query.QueryExecute, query.execute, reply=query.QueryOutcome
    ),
    ReadEndpoint("PreparedQuery.ExecuteRemote", query.QueryExecuteRemote, query.execute_remote),
    ReadEndpoint("PreparedQuery.Explain", query.QueryExplain, query.explain),
    ReadEndpoint("Internal.NodeDump", internal.NodeDump, internal.nodes, internal.NodeInfo),
    ReadEndpoint("Internal.ServiceDump", internal.ServiceDump, internal.services, CheckServiceNode),
    ReadEndpoint("Internal.ServiceTopology", topology.ServiceTopologyGet, topology.get),
    WriteEndpoint("ConfigEntry.Apply", config_entry.ConfigApply, config_entry.apply),
    WriteEndpoint("ConfigEntry.Delete", config_entry.ConfigDelete, config_entry.delete),
    ReadEndpoint("ConfigEntry.Get", config_entry.ConfigGet, config_entry.get),
    ReadEndpoint("ConfigEntry.List", config_entry.ConfigList, config_entry.list_kind),
    ReadEndpoint(
        "ConfigEntry.ResolveServiceConfig", service_config.ServiceConfigGet, service_config.resolve
    ),
    WriteEndpoint("Intention.Apply", intention.IntentionApply, intention.apply, bool | str),
    ReadEndpoint("Intention.Get", intention.IntentionGet, intention.get),
    ReadEndpoint("Intention.Exact", intention.IntentionExact, intention.exact),
    ReadEndpoint("Intention.List", intention.IntentionList, intention.list_all, Intention),
    ReadEndpoint("Intention.Match", intention.IntentionMatch, intention.match),
    ReadEndpoint("Intention.Check", intention.IntentionCheck, intention.check),
    ReadEndpoint("DiscoveryChain.Get", chain.ChainGet, chain.get),
    ReadEndpoint("ConnectCA.Roots", connect.CARootsGet, connect.get_roots),
    ReadEndpoint(
        "ConnectCA.ConfigurationGet", connect.CAConfigurationGet, connect.get_configuration
    ),
    TaskEndpoint(
        "ConnectCA.ConfigurationSet", connect.CAConfigurationSet, connect.set_configuration
    ),
    TaskEndpoint("ConnectCA.Sign", connect.CASign, connect.sign, repeatable=True),
    WriteEndpoint("ConnectCA.Revoke", connect.CARevoke, connect.revoke, tuple[CARevocation, ...]),
    TaskEndpoint(
        "ConnectCA.SignIntermediate",
        connect.CASignIntermediate,
        connect.sign_intermediate,
        repeatable=True,
    ),
    TaskEndpoint("ConnectCA.Rotate", connect.CARotate, connect.rotate),
    ReadEndpoint("ConnectCA.Leaves", connect.CALeavesGet, connect.get_leaves, CALeaf),
    ReadEndpoint("ConnectCA.Revocations", connect.CARevocationsGet, connect.get_revocations),
    ReadEndpoint("ConnectCA.Authorize", connect.ConnectAuthorize, connect.authorize),
    ReadEndpoint("Operator.AutopilotGet", operator.AutopilotGet, operator.get_autopilot),
    WriteEndpoint("Operator.AutopilotSet", operator.AutopilotSet, operator.set_autopilot),
    ReadEndpoint(
        "Operator.AutopilotHealth",
        server_state.AutopilotHealthGet,
        server_state.autopilot_health,
        knows=Knows.LEADER,
    ),
    ReadEndpoint(
        "Operator.AutopilotState",
        server_state.AutopilotStateGet,
        server_state.autopilot_state,
        knows=Knows.LEADER,
    ),
    ReadEndpoint(
        "Operator.RaftConfiguration",
        server_state.RaftConfigurationGet,
        server_state.raft_configuration,
        knows=Knows.LEADER,
    ),
    TaskEndpoint("Operator.RaftRemovePeer", server_state.RaftRemovePeer, server_state.remove_peer),
    TaskEndpoint(
        "Operator.TransferLeadership",
        server_state.TransferLeadership,
        server_state.transfer_leadership,
    ),
    TaskEndpoint(
        "Operator.Keyring",
        server_state.KeyringChange,
        server_state.change_keyring,
        repeatable=True,
        knows=Knows.ANY_SERVER,
    ),
    ReadEndpoint(
        "Status.Leader", server_state.StatusLeader, server_state.leader, knows=Knows.ANY_SERVER
    ),
    ReadEndpoint(
        "Status.Peers", server_state.StatusPeers, server_state.peers, knows=Knows.ANY_SERVER
    ),
    ReadEndpoint(
        "Status.RaftStats", raft_stats.RaftStatsGet, raft_stats.raft_stats, knows=Knows.ANY_SERVER
    ),
    TaskEndpoint(
        "Snapshot.Save", server_state.SnapshotSave, server_state.save_snapshot, repeatable=True
    ),
    TaskEndpoint("Snapshot.Restore", server_state.SnapshotRestore, server_state.restore_snapshot),
    TaskEndpoint(
        "Event.Fire", server_state.EventFire, server_state.fire_event, knows=Knows.ANY_SERVER
    ),
)


def knows(endpoint: Endpoint) -> Knows:
    """Which server can answer; a write is the leader's."""
    return Knows.LEADER if isinstance(endpoint, WriteEndpoint) else endpoint.knows


BY_REQUEST: dict[type, Endpoint] = {endpoint.request: endpoint for endpoint in ENDPOINTS}


def is_repeatable(endpoint: Endpoint) -> bool:
    """Whether a request may be sent again when nobody knows what became of it."""
    match endpoint:
        case ReadEndpoint():
            return True
        case WriteEndpoint():
            return False
        case TaskEndpoint():
            return endpoint.repeatable


def reply_type(endpoint: Endpoint) -> Any:
    """The type of the reply's value, by which both ends of a connection read it."""
    if isinstance(endpoint, WriteEndpoint):
        return endpoint.reply
    if isinstance(endpoint, ReadEndpoint) and endpoint.reply is not None:
        return endpoint.reply
    return get_type_hints(endpoint.run)["return"]
