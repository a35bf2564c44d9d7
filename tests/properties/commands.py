"""Strategies: commands over so few names that they meet each other often."""

from hypothesis import strategies as st

from catalog.commands import (
    CheckOperation,
    Command,
    ConfigEntryDelete,
    ConfigEntryPut,
    CoordinateUpdate,
    Deregister,
    KvOperation,
    KvVerb,
    NodeOperation,
    QueryDelete,
    QueryPut,
    Register,
    ServiceOperation,
    SessionCreate,
    SessionDestroy,
    SessionOperation,
    TombstonesReap,
    Transaction,
)
from catalog.rows.check import SERF_HEALTH, STATUSES, HealthCheck
from catalog.rows.config_entry import TERMINATING_GATEWAY, TerminatingGateway
from catalog.rows.config_entry.terminating_gateway import LinkedService
from catalog.rows.node import Coord, Coordinate, Node
from catalog.rows.query import PreparedQuery, QueryService
from catalog.rows.service import ConnectProxy, NodeService, ServiceConnect
from catalog.rows.session import BEHAVIORS, ServiceCheck, Session

NODE_NAMES = ("n1", "N1", "n2", "n3")
NODE_IDS = ("", "", "id-1", "id-2")
SERVICE_NAMES = ("web", "Web", "db")
SERVICE_IDS = ("web-1", "web-2", "db-1")
CHECK_IDS = (SERF_HEALTH, "c1", "c2")
SESSION_IDS = ("s1", "s2", "s3")
KEYS = ("a", "a/", "a/b", "a/b/c", "a/c", "b")
PREFIXES = ("", "a", "a/", "a/b", "x")
INDEXES = st.integers(min_value=0, max_value=12)

node_names = st.sampled_from(NODE_NAMES)
service_ids = st.sampled_from(SERVICE_IDS)
check_ids = st.sampled_from(CHECK_IDS)
session_ids = st.sampled_from(SESSION_IDS)

nodes = st.builds(
    Node,
    id=st.sampled_from(NODE_IDS),
    node=node_names,
    address=st.sampled_from(("10.0.0.1", "10.0.0.2")),
    meta=st.sampled_from((None, {"rack": "1"})),
)
services = st.one_of(
    st.builds(
        NodeService,
        id=service_ids,
        service=st.sampled_from(SERVICE_NAMES),
        tags=st.sampled_from((None, ("a",), ("a", "B"))),
        port=st.sampled_from((0, 80)),
        connect=st.sampled_from((ServiceConnect(), ServiceConnect(native=True))),
    ),
    st.builds(
        NodeService,
        kind=st.just("connect-proxy"),
        id=service_ids,
        service=st.sampled_from(("web-proxy", "web")),
        proxy=st.sampled_from(SERVICE_NAMES).map(
            lambda name: ConnectProxy(destination_service_name=name)
        ),
    ),
    st.builds(
        NodeService,
        kind=st.sampled_from(("", TERMINATING_GATEWAY)),
        id=service_ids,
        service=st.just("gateway"),
    ),
)
gateways = st.builds(
    TerminatingGateway,
    name=st.just("gateway"),
    services=st.sampled_from(
        (
            (),
            (LinkedService(name="web"),),
            (LinkedService(name="*"),),
        )
    ),
)
checks = st.builds(
    HealthCheck,
    node=st.just(""),
    check_id=check_ids,
    status=st.sampled_from(("", *STATUSES)),
    output=st.sampled_from(("", "x")),
    service_id=st.sampled_from(("", *SERVICE_IDS)),
)
checks_of_a_node = st.builds(
    lambda check, name: HealthCheck(
        node=name, check_id=check.check_id, status=check.status, service_id=check.service_id
    ),
    checks,
    node_names,
)
sessions = st.builds(
    Session,
    id=session_ids,
    node=node_names,
    lock_delay=st.sampled_from((0, 5)),
    behavior=st.sampled_from(BEHAVIORS),
    node_checks=st.sampled_from((None, (), ("c1",), (SERF_HEALTH,))),
    service_checks=st.sampled_from((None, (ServiceCheck(id="c2"),))),
)
queries = st.builds(
    PreparedQuery,
    id=st.sampled_from(("q1", "q2")),
    name=st.sampled_from(("", "first", "second")),
    session=st.sampled_from(("", *SESSION_IDS)),
    service=st.just(QueryService(service="web")),
)

KV_WRITE_VERBS = (
    KvVerb.SET,
    KvVerb.CAS,
    KvVerb.LOCK,
    KvVerb.UNLOCK,
    KvVerb.DELETE,
    KvVerb.DELETE_TREE,
    KvVerb.DELETE_CAS,
)
KV_READ_VERBS = (
    KvVerb.GET,
    KvVerb.GET_OR_EMPTY,
    KvVerb.GET_TREE,
    KvVerb.CHECK_INDEX,
    KvVerb.CHECK_SESSION,
    KvVerb.CHECK_NOT_EXISTS,
)
CATALOG_VERBS = st.sampled_from(("get", "set", "cas", "delete", "delete-cas", "explode"))


def kv_operations(*verbs: str) -> st.SearchStrategy[KvOperation]:
    return st.builds(
        KvOperation,
        verb=st.sampled_from(verbs),
        key=st.sampled_from(KEYS),
        value=st.sampled_from((b"", b"1", b"2")),
        flags=st.sampled_from((0, 1)),
        index=INDEXES,
        session=st.sampled_from(("", *SESSION_IDS)),
    )


operations = st.one_of(
    kv_operations(*KV_WRITE_VERBS, *KV_READ_VERBS),
    st.builds(NodeOperation, verb=CATALOG_VERBS, node=nodes),
    st.builds(ServiceOperation, verb=CATALOG_VERBS, node=node_names, service=services),
    st.builds(CheckOperation, verb=CATALOG_VERBS, check=checks_of_a_node),
    st.builds(SessionOperation, verb=st.just("delete"), session=sessions),
)
transactions = st.builds(Transaction, operations=st.lists(operations, max_size=4).map(tuple))
registrations = st.builds(
    Register,
    node=nodes,
    skip_node_update=st.booleans(),
    service=st.none() | services,
    checks=st.lists(checks, max_size=2).map(tuple),
)
deregistrations = st.builds(
    Deregister,
    node=node_names,
    service_id=st.sampled_from(("", *SERVICE_IDS)),
    check_id=st.sampled_from(("", *CHECK_IDS)),
)


def inhabited() -> list[Command]:
    """A small site to start from, so that most commands find something to change."""
    web = NodeService(id="web-1", service="web")
    native = NodeService(id="web-2", service="web", connect=ServiceConnect(native=True))
    proxy = NodeService(
        kind="connect-proxy",
        id="db-1",
        service="web-proxy",
        proxy=ConnectProxy(destination_service_name="web"),
    )
    gateway = NodeService(kind=TERMINATING_GATEWAY, id="db-1", service="gateway")
    passing = tuple(HealthCheck(check_id=check_id, status="passing") for check_id in CHECK_IDS)
    on_web = HealthCheck(check_id="c2", status="passing", service_id="web-1")
    registered = (
        Register(node=Node(node="n1", id="id-1"), service=web, checks=(*passing, on_web)),
        Register(node=Node(node="n2", id="id-2"), service=native, checks=passing),
        Register(node=Node(node="n2", id="id-2"), service=proxy),
        Register(node=Node(node="n3"), service=gateway),
    )
    entry = TerminatingGateway(name="gateway", services=(LinkedService(name="*"),))
    begun = (
        Session(id="s1", node="n1", node_checks=("c1",), lock_delay=5),
        Session(id="s2", node="n2", behavior="delete"),
    )
    return [
        *registered,
        ConfigEntryPut(entry=entry),
        *(SessionCreate(session=row) for row in begun),
        *(KvOperation(verb=KvVerb.SET, key=key) for key in KEYS),
        KvOperation(verb=KvVerb.LOCK, key="a", session="s1"),
        KvOperation(verb=KvVerb.LOCK, key="a/b", session="s2"),
    ]


any_command: st.SearchStrategy[Command] = st.one_of(
    kv_operations(*KV_WRITE_VERBS),
    registrations,
    deregistrations,
    st.builds(SessionCreate, session=sessions),
    st.builds(SessionDestroy, id=session_ids),
    transactions,
    st.builds(
        CoordinateUpdate,
        coordinates=st.builds(
            lambda name, height: (Coordinate(node=name, coord=Coord(height=height)),),
            node_names,
            st.sampled_from((1.0, 2.0)),
        ),
    ),
    st.builds(QueryPut, query=queries, create=st.booleans()),
    st.builds(QueryDelete, id=st.sampled_from(("q1", "q2"))),
    st.builds(ConfigEntryPut, entry=gateways, cas_index=st.none() | INDEXES),
    st.builds(ConfigEntryDelete, kind=st.just(TERMINATING_GATEWAY), name=st.just("gateway")),
    st.builds(TombstonesReap, index=INDEXES),
)
