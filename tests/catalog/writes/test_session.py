import pytest

from catalog.commands import Deregister, QueryPut, SessionDestroy
from catalog.errors import Invalid
from catalog.rows.query import PreparedQuery, QueryService
from catalog.rows.session import ServiceCheck, Session
from catalog.tables import QUERIES, SESSIONS
from catalog.writes.tx import LOCK_DELAY_NS_MAX, LockDelayed, SessionBegan, SessionEnded
from tests.catalog.replica import Replica, check, contents, service

NS = 1_000_000_000


@pytest.fixture
def node(replica: Replica) -> Replica:
    """A node n with a passing node check and a passing check of its service web."""
    replica.register("n", check("own"), check("svc", service_id="web"), service=service("web"))
    return replica


def refused(replica: Replica, **fields: object) -> str:
    with pytest.raises(Invalid) as refusal:
        replica.begin("s", **fields)
    return str(refusal.value)


def test_session_is_stored_with_its_indexes(node: Replica) -> None:
    index = node.begin("s", name="lock", lock_delay=5)

    assert [
        Session(id="s", name="lock", node="n", lock_delay=5, create_index=index, modify_index=index)
    ] == node.store.all(SESSIONS)
    assert index == node.store.last_index("sessions")


def test_session_needs_a_known_node(node: Replica) -> None:
    assert refused(node, node="nobody") == (
        "Missing node registration: Node 'nobody' is not registered"
    )


def test_session_finds_its_node_without_regard_to_case(node: Replica) -> None:
    node.begin("s", node="N", node_checks=("own",))

    assert node.sessions() == ["s"]


@pytest.mark.parametrize(
    "bound",
    [
        {"node_checks": ("x",)},
        {"checks": ("x",)},
        {"service_checks": (ServiceCheck(id="x"),)},
    ],
)
def test_session_needs_its_checks_to_exist_and_not_to_be_critical(
    node: Replica, bound: dict[str, object]
) -> None:
    assert refused(node, **bound) == "Missing check 'x' registration"

    node.register("n", check("x", "critical"))
    assert refused(node, **bound) == "Check 'x' is in critical state"

    node.register("n", check("x", "warning"))
    node.begin("s", **bound)


@pytest.mark.parametrize(("ttl", "effects"), [("", 0), ("0s", 0), ("10s", 1)])
def test_only_a_session_with_a_ttl_starts_a_timer(node: Replica, ttl: str, effects: int) -> None:
    node.begin("s", ttl=ttl)

    assert [SessionBegan("s", ttl)] * effects == node.effects


def test_destroying_an_unknown_session_is_true_and_changes_nothing(node: Replica) -> None:
    before = contents(node.store)

    assert node.do(SessionDestroy(id="nobody"))

    assert before == contents(node.store)
    assert node.effects == []


def test_release_behaviour_frees_the_keys_and_keeps_them(node: Replica) -> None:
    node.begin("s", lock_delay=5 * NS)
    node.kv("lock", "k", value=b"v", session="s")

    node.do(SessionDestroy(id="s"))

    pair = node.pair("k")
    assert pair is not None
    assert ("", 1, b"v", node.index) == (
        pair.session,
        pair.lock_index,
        pair.value,
        pair.modify_index,
    )
    assert node.sessions() == []
    assert node.index == node.store.last_index("sessions")


def test_delete_behaviour_deletes_the_keys(node: Replica) -> None:
    node.begin("s", behavior="delete", lock_delay=NS)
    node.kv("lock", "k", session="s")
    node.put("other")

    node.do(SessionDestroy(id="s"))

    assert node.pair("k") is None
    assert node.pair("other") is not None
    assert node.index == node.store.last_index("tombstones")
    assert LockDelayed("k", NS) in node.effects


@pytest.mark.parametrize(
    ("lock_delay", "delays"),
    [(0, []), (15 * NS, [15 * NS, 15 * NS]), (90 * NS, [LOCK_DELAY_NS_MAX, LOCK_DELAY_NS_MAX])],
)
def test_each_lost_lock_is_delayed_at_most_a_minute(
    node: Replica, lock_delay: int, delays: list[int]
) -> None:
    node.begin("s", lock_delay=lock_delay)
    for key in ("a", "b"):
        node.kv("lock", key, session="s")

    node.do(SessionDestroy(id="s"))

    assert [
        SessionEnded("s"),
        *(LockDelayed(key, delay) for key, delay in zip(("a", "b"), delays, strict=False)),
    ] == node.effects


def test_lock_given_back_before_the_end_is_not_delayed(node: Replica) -> None:
    node.begin("s", lock_delay=NS)
    node.kv("lock", "k", session="s")
    node.kv("unlock", "k", session="s")

    node.do(SessionDestroy(id="s"))

    assert [SessionEnded("s")] == node.effects


def test_queries_bound_to_the_session_end_with_it(node: Replica) -> None:
    node.begin("s")
    for query_id, session in (("bound", "s"), ("free", "")):
        query = PreparedQuery(
            id=query_id, name=query_id, session=session, service=QueryService(service="web")
        )
        node.do(QueryPut(query=query, create=True))

    node.do(SessionDestroy(id="s"))

    assert [query.id for query in node.store.all(QUERIES)] == ["free"]
    assert node.index == node.store.last_index("prepared-queries")


@pytest.mark.parametrize(
    "bound",
    [
        {"node_checks": ("own",)},
        {"checks": ("own",)},
        {"service_checks": (ServiceCheck(id="svc"),)},
    ],
)
def test_session_ends_when_its_check_turns_critical(
    node: Replica, bound: dict[str, tuple[object, ...]]
) -> None:
    node.begin("s", **bound)
    node.begin("free")
    own = "service_checks" not in bound

    node.register("n", check("own", "warning"), check("svc", "warning", service_id="web"))
    assert node.sessions() == ["free", "s"]
    node.register("n", check("svc" if own else "own", "critical"))
    assert node.sessions() == ["free", "s"]
    critical = check("own", "critical") if own else check("svc", "critical", service_id="web")
    node.register("n", critical)
    assert node.sessions() == ["free"]


@pytest.mark.parametrize(
    "removal",
    [
        Deregister(node="n", check_id="svc"),
        Deregister(node="N", service_id="web"),
        Deregister(node="n"),
    ],
)
def test_session_ends_when_its_check_is_gone(node: Replica, removal: Deregister) -> None:
    node.begin("s", service_checks=(ServiceCheck(id="svc"),))

    node.do(removal)

    assert node.sessions() == []


def test_session_without_checks_ends_with_its_node(node: Replica) -> None:
    node.begin("s")
    node.kv("lock", "k", session="s")

    node.do(Deregister(node="n"))

    assert node.sessions() == []
    assert node.pair("k").session == ""


def test_check_of_another_node_ends_nothing(node: Replica) -> None:
    node.begin("s", node_checks=("own",))

    node.register("m", check("own", "critical"))

    assert node.sessions() == ["s"]
