"""Every write as a value: what the log carries and every replica applies.

A command holds all that applying it needs: ids, times and expanded defaults are stamped before it
is proposed, so that applying is deterministic. Tags on the wire are never used again.
"""

from typing import Final

import msgspec

from catalog.rows.check import HealthCheck
from catalog.rows.config_entry import ConfigEntry
from catalog.rows.connect import CAConfiguration, CALeaf, CARevocation, CARoot, CASigner
from catalog.rows.intention import Intention
from catalog.rows.node import Coordinate, Node
from catalog.rows.query import PreparedQuery
from catalog.rows.service import NodeService
from catalog.rows.session import Session
from catalog.rows.system import AutopilotConfiguration


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A write. Subclasses carry their tag."""


class KvVerb:
    """The operations on a key, named as in transactions."""

    SET: Final = "set"
    CAS: Final = "cas"
    LOCK: Final = "lock"
    UNLOCK: Final = "unlock"
    GET: Final = "get"
    GET_OR_EMPTY: Final = "get-or-empty"
    GET_TREE: Final = "get-tree"
    CHECK_INDEX: Final = "check-index"
    CHECK_SESSION: Final = "check-session"
    CHECK_NOT_EXISTS: Final = "check-not-exists"
    DELETE: Final = "delete"
    DELETE_TREE: Final = "delete-tree"
    DELETE_CAS: Final = "delete-cas"


class KvOperation(Command, frozen=True, kw_only=True, tag="kv"):
    """One operation on a key, alone or in a transaction. ``index`` is for the cas verbs."""

    verb: str
    key: str
    value: bytes = b""
    flags: int = 0
    index: int = 0
    session: str = ""


class NodeOperation(Command, frozen=True, kw_only=True, tag="node"):
    """``set``, ``cas``, ``get``, ``delete`` or ``delete-cas`` of a node."""

    verb: str
    node: Node


class ServiceOperation(Command, frozen=True, kw_only=True, tag="service"):
    """The same verbs on a service instance."""

    verb: str
    node: str
    service: NodeService


class CheckOperation(Command, frozen=True, kw_only=True, tag="check"):
    """The same verbs on a health check."""

    verb: str
    check: HealthCheck


class SessionOperation(Command, frozen=True, kw_only=True, tag="session-operation"):
    """``delete`` of a session within a transaction."""

    verb: str
    session: Session


Operation = KvOperation | NodeOperation | ServiceOperation | CheckOperation | SessionOperation


class Transaction(Command, frozen=True, kw_only=True, tag="txn"):
    """Operations that happen together or not at all."""

    operations: tuple[Operation, ...]


class Register(Command, frozen=True, kw_only=True, tag="register"):
    """A node, one of its services and any number of its checks, in this order."""

    node: Node
    skip_node_update: bool = False
    service: NodeService | None = None
    checks: tuple[HealthCheck, ...] = ()


class Deregister(Command, frozen=True, kw_only=True, tag="deregister"):
    """A node with all that is on it, or one service, or one check."""

    node: str
    service_id: str = ""
    check_id: str = ""


class SessionCreate(Command, frozen=True, kw_only=True, tag="session-create"):
    """A new session; its id is already chosen."""

    session: Session


class SessionDestroy(Command, frozen=True, kw_only=True, tag="session-destroy"):
    """The end of a session, asked for or by its TTL."""

    id: str


class CoordinateUpdate(Command, frozen=True, kw_only=True, tag="coordinates"):
    """New network coordinates; those of unknown nodes are dropped."""

    coordinates: tuple[Coordinate, ...]


class QueryPut(Command, frozen=True, kw_only=True, tag="query-put"):
    """A prepared query, new (``create``) or replaced."""

    query: PreparedQuery
    create: bool = False


class QueryDelete(Command, frozen=True, kw_only=True, tag="query-delete"):
    """The removal of a prepared query."""

    id: str


class ConfigEntryPut(Command, frozen=True, kw_only=True, tag="config-put"):
    """A config entry; with ``cas_index`` only if the stored one has that index (0: none)."""

    entry: ConfigEntry
    cas_index: int | None = None


class ConfigEntryDelete(Command, frozen=True, kw_only=True, tag="config-delete"):
    """The removal of a config entry; with ``cas_index`` only at that index."""

    kind: str
    name: str
    cas_index: int | None = None


class IntentionVerb:
    """The changes of one intention: by its two names, or by the id of the older endpoint."""

    UPSERT: Final = "upsert"
    DELETE: Final = "delete"
    CREATE_BY_ID: Final = "create-by-id"
    UPDATE_BY_ID: Final = "update-by-id"
    DELETE_BY_ID: Final = "delete-by-id"


class IntentionChange(Command, frozen=True, kw_only=True, tag="intention"):
    """A change of one source of a destination's intentions; ``now`` is RFC 3339 text."""

    verb: str
    intention: Intention = Intention()
    id: str = ""
    now: str = ""


class CAConfigure(Command, frozen=True, kw_only=True, tag="ca-configure"):
    """The mesh's authority: its configuration and, when the key changes, the new active root.

    ``expected_index`` is the index of the configuration that was changed (0: none was stored).
    """

    configuration: CAConfiguration
    expected_index: int
    root: CARoot | None = None
    signer: CASigner | None = None
    now_s: float


class CASerialTake(Command, frozen=True, kw_only=True, tag="ca-serial"):
    """One more certificate is to be signed."""


class CAPrune(Command, frozen=True, kw_only=True, tag="ca-prune"):
    """Forget the roots that ceased to be active before a time, and leaves that have ended."""

    rotated_out_before_s: float
    now_s: float = 0.0


class CALeafIssued(Command, frozen=True, kw_only=True, tag="ca-leaf-issued"):
    """A leaf was signed."""

    leaf: CALeaf


class CARevoke(Command, frozen=True, kw_only=True, tag="ca-revoke"):
    """Refuse leaves from now on, although they have not ended."""

    revocations: tuple[CARevocation, ...]


class AutopilotPut(Command, frozen=True, kw_only=True, tag="autopilot-put"):
    """Autopilot's configuration; with ``cas_index`` only at that index."""

    configuration: AutopilotConfiguration
    cas_index: int | None = None


class TombstonesReap(Command, frozen=True, kw_only=True, tag="tombstones-reap"):
    """Forget deletions up to a log index."""

    index: int


AnyCommand = (
    KvOperation
    | Transaction
    | Register
    | Deregister
    | SessionCreate
    | SessionDestroy
    | CoordinateUpdate
    | QueryPut
    | QueryDelete
    | ConfigEntryPut
    | ConfigEntryDelete
    | IntentionChange
    | CAConfigure
    | CASerialTake
    | CAPrune
    | CALeafIssued
    | CARevoke
    | AutopilotPut
    | TombstonesReap
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(AnyCommand)


def encode(command: Command) -> bytes:
    """The bytes that the log carries."""
    return _encoder.encode(command)


def decode(command: bytes) -> AnyCommand:
    """The command of a log entry. Raises msgspec.DecodeError for anything else."""
    decoded: AnyCommand = _decoder.decode(command)
    return decoded
