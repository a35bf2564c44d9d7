"""Every table of the catalog, in snapshot order. Tags are never used again."""

from typing import Final

from catalog.rows.check import HealthCheck
from catalog.rows.config_entry import ConfigEntry
from catalog.rows.connect import CAConfiguration, CALeaf, CARevocation, CARoot, CASerial, CASigner
from catalog.rows.kv import KeyValue, Tombstone
from catalog.rows.node import Coordinate, Node
from catalog.rows.query import PreparedQuery
from catalog.rows.service import KIND_CONNECT_PROXY, ServiceInstance
from catalog.rows.session import Session
from catalog.rows.system import AutopilotConfiguration
from catalog.schema import Index, Table


def _connect_names(row: ServiceInstance) -> tuple[str, ...]:
    """The service that an instance serves with mutual TLS, if any."""
    service = row.service
    if service.kind == KIND_CONNECT_PROXY:
        return (service.proxy.destination_service_name.lower(),)
    return (service.service.lower(),) if service.connect.native else ()


def session_checks(session: Session) -> tuple[str, ...]:
    """The ids of all checks that end a session when they fail."""
    service_checks = tuple(check.id for check in session.service_checks or ())
    return (*(session.node_checks or ()), *service_checks, *(session.checks or ()))


NODES: Final = Table(
    "nodes",
    Node,
    tag=1,
    key=lambda node: node.node.lower(),
    indexes=(
        Index("id", lambda node: (node.id,) if node.id else ()),
        Index("address", lambda node: (node.address,)),
    ),
    ordered=True,
)
SERVICES: Final = Table(
    "services",
    ServiceInstance,
    tag=2,
    key=lambda row: (row.node.lower(), row.service.id),
    indexes=(
        Index("node", lambda row: (row.node.lower(),)),
        Index("service", lambda row: (row.service.service.lower(),)),
        Index("connect", _connect_names),
        Index("kind", lambda row: (row.service.kind,) if row.service.kind else ()),
        Index("address", lambda row: (row.service.address,) if row.service.address else ()),
    ),
)
CHECKS: Final = Table(
    "checks",
    HealthCheck,
    tag=3,
    key=lambda check: (check.node.lower(), check.check_id),
    indexes=(
        Index("node", lambda check: (check.node.lower(),)),
        Index("service", lambda check: (check.service_name.lower(),)),
        Index("status", lambda check: (check.status,)),
        Index("instance", lambda check: ((check.node.lower(), check.service_id),)),
    ),
)
KV: Final = Table(
    "kvs",
    KeyValue,
    tag=4,
    key=lambda pair: pair.key,
    ordered=True,
    indexes=(Index("session", lambda pair: (pair.session,) if pair.session else ()),),
)
TOMBSTONES: Final = Table("tombstones", Tombstone, tag=5, key=lambda row: row.key, ordered=True)
SESSIONS: Final = Table(
    "sessions",
    Session,
    tag=6,
    key=lambda session: session.id,
    indexes=(
        Index("node", lambda session: (session.node.lower(),)),
        Index(
            "check",
            lambda session: {(session.node.lower(), check) for check in session_checks(session)},
        ),
    ),
)
COORDINATES: Final = Table(
    "coordinates",
    Coordinate,
    tag=7,
    key=lambda row: (row.node.lower(), row.segment),
    indexes=(Index("node", lambda row: (row.node.lower(),)),),
)
QUERIES: Final = Table(
    "prepared-queries",
    PreparedQuery,
    tag=8,
    key=lambda query: query.id,
    indexes=(
        Index("name", lambda query: (query.name.lower(),) if query.name else ()),
        Index("template", lambda query: (query.name.lower(),) if query.template.type else ()),
        Index("session", lambda query: (query.session,) if query.session else ()),
    ),
)
CONFIG_ENTRIES: Final[Table[ConfigEntry]] = Table(
    "config-entries",
    ConfigEntry,  # type: ignore[arg-type]  # a union of kinds, told apart by their tag
    tag=9,
    key=lambda entry: (entry.kind, entry.name.lower()),
    indexes=(Index("kind", lambda entry: (entry.kind,)),),
)
AUTOPILOT: Final = Table("autopilot-config", AutopilotConfiguration, tag=10, key=lambda _: "")
CA_ROOTS: Final = Table("connect-ca-roots", CARoot, tag=11, key=lambda root: root.id)
CA_SIGNERS: Final = Table("connect-ca-signers", CASigner, tag=12, key=lambda row: row.root_id)
CA_CONFIGURATION: Final = Table("connect-ca-config", CAConfiguration, tag=13, key=lambda _: "")
CA_SERIAL: Final = Table("connect-ca-serial", CASerial, tag=14, key=lambda _: "")
CA_REVOCATIONS: Final = Table(
    "connect-ca-revocations", CARevocation, tag=15, key=lambda row: row.serial
)
CA_LEAVES: Final = Table(
    "connect-ca-leaves",
    CALeaf,
    tag=16,
    key=lambda row: row.serial,
    indexes=(Index("uri", lambda row: (row.uri,)),),
)

SCHEMA: Final = (
    NODES,
    SERVICES,
    CHECKS,
    KV,
    TOMBSTONES,
    SESSIONS,
    COORDINATES,
    QUERIES,
    CONFIG_ENTRIES,
    AUTOPILOT,
    CA_ROOTS,
    CA_SIGNERS,
    CA_CONFIGURATION,
    CA_SERIAL,
    CA_REVOCATIONS,
    CA_LEAVES,
)
