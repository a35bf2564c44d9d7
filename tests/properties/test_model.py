"""The store against plain dicts: keys with locks, sessions, nodes, instances and checks.

The model is written from the API's documentation, not from the code, and keeps no index.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from catalog.commands import Deregister, KvVerb, Register, SessionCreate, SessionDestroy
from catalog.errors import CatalogError
from catalog.queries import kv
from catalog.rows.check import HealthCheck
from catalog.rows.node import Node
from catalog.rows.session import Session
from catalog.tables import CHECKS, KV, NODES, SERVICES, SESSIONS
from catalog.writes.tx import LockDelayed
from tests.catalog.replica import Replica, service
from tests.properties.commands import KEYS, PREFIXES

NODE_NAMES = ("n1", "n2")
IDS = ("i1", "i2")
CHECK_IDS = ("c1", "c2")
SESSION_IDS = ("s1", "s2", "s3")
STATUSES = ("passing", "warning", "critical")

keys = st.sampled_from(KEYS)
values = st.sampled_from((b"", b"1", b"2"))
names = st.sampled_from(NODE_NAMES)
session_ids = st.sampled_from(SESSION_IDS)
few_keys = st.sampled_from(KEYS[:3])


@dataclass(frozen=True)
class Pair:
    value: bytes
    lock_count: int = 0
    holder: str = ""


@dataclass(frozen=True)
class Lease:
    node: str
    deletes: bool
    checks: frozenset[str]
    delay: int


@dataclass
class Model:
    """``instances`` and ``checks`` are by (node, id); a check is its instance and status."""

    pairs: dict[str, Pair] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    nodes: set[str] = field(default_factory=set)
    instances: set[tuple[str, str]] = field(default_factory=set)
    checks: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    delayed: list[tuple[str, int]] = field(default_factory=list)

    def end(self, lease_id: str) -> None:
        lease = self.leases.pop(lease_id, None)
        if lease is None:
            return
        for key, pair in sorted(self.pairs.items()):
            if pair.holder != lease_id:
                continue
            if lease.deletes:
                del self.pairs[key]
            else:
                self.pairs[key] = replace(pair, holder="")
            if lease.delay:
                self.delayed.append((key, lease.delay))

    def end_where(self, node: str, check: str | None = None) -> None:
        for lease_id, lease in list(self.leases.items()):
            if lease.node == node and (check is None or check in lease.checks):
                self.end(lease_id)

    def drop_check(self, node: str, check: str) -> None:
        if self.checks.pop((node, check), None) is not None:
            self.end_where(node, check)

    def drop_instance(self, node: str, instance: str) -> None:
        if (node, instance) in self.instances:
            self.instances.remove((node, instance))
            for at, (of, _) in list(self.checks.items()):
                if at[0] == node and of == instance:
                    self.drop_check(*at)

    def drop_node(self, node: str) -> None:
        for at in [at for at in self.instances if at[0] == node]:
            self.drop_instance(*at)
        for at in [at for at in self.checks if at[0] == node]:
            self.drop_check(*at)
        if node in self.nodes:
            self.nodes.remove(node)
            self.end_where(node)


class StoreAgainstModel(RuleBasedStateMachine):
    """Each rule does the same to both and compares the results."""

    def __init__(self) -> None:
        super().__init__()
        self.replica = Replica()
        self.model = Model()

    @initialize()
    def settle(self) -> None:
        """Two nodes with a session each, so that most rules find something to change."""
        for name, session in zip(NODE_NAMES, SESSION_IDS, strict=False):
            self.register(name, "i1")
            self.register_check(name, "c1", "passing", "i1")
            self.begin(session, name, {"c1"}, 5, deletes=name == "n2")

    def kv(self, verb: str, key: str, **fields: Any) -> Any:
        return self.replica.kv(verb, key, **fields)

    def index_of(self, key: str) -> int:
        pair = self.replica.pair(key)
        return pair.modify_index if pair else 0

    # Keys.

    @rule(key=keys, value=values)
    def put(self, key: str, value: bytes) -> None:
        assert self.kv(KvVerb.SET, key, value=value) is True
        self.model.pairs[key] = replace(self.model.pairs.get(key, Pair(b"")), value=value)

    @rule(key=keys, value=values, stale=st.booleans())
    def cas(self, key: str, value: bytes, *, stale: bool) -> None:
        result = self.kv(KvVerb.CAS, key, value=value, index=self.index_of(key) + stale)

        assert result is not stale
        if not stale:
            self.model.pairs[key] = replace(self.model.pairs.get(key, Pair(b"")), value=value)

    @rule(key=few_keys, value=values, session=session_ids)
    def lock(self, key: str, value: bytes, session: str) -> None:
        result = self.kv(KvVerb.LOCK, key, value=value, session=session)

        if session not in self.model.leases:
            assert isinstance(result, CatalogError)
            return
        before = self.model.pairs.get(key, Pair(b""))
        assert result is (before.holder in {"", session})
        if result:
            count = before.lock_count + (before.holder != session)
            self.model.pairs[key] = Pair(value, count, session)

    @rule(key=few_keys, value=values, session=session_ids, by_holder=st.booleans())
    def unlock(self, key: str, value: bytes, session: str, *, by_holder: bool) -> None:
        before = self.model.pairs.get(key)
        if by_holder and before is not None and before.holder:
            session = before.holder

        result = self.kv(KvVerb.UNLOCK, key, value=value, session=session)

        assert result is (before is not None and before.holder == session)
        if before is not None and result:
            self.model.pairs[key] = Pair(value, before.lock_count)

    @rule(key=keys)
    def delete(self, key: str) -> None:
        assert self.kv(KvVerb.DELETE, key) is True
        self.model.pairs.pop(key, None)

    @rule(key=keys, stale=st.booleans())
    def delete_cas(self, key: str, *, stale: bool) -> None:
        result = self.kv(KvVerb.DELETE_CAS, key, index=self.index_of(key) + stale)

        assert result is (key not in self.model.pairs or not stale)
        if result:
            self.model.pairs.pop(key, None)

    @rule(prefix=st.sampled_from(PREFIXES[2:]))
    def delete_tree(self, prefix: str) -> None:
        assert self.kv(KvVerb.DELETE_TREE, prefix) is True
        for key in [key for key in self.model.pairs if key.startswith(prefix)]:
            del self.model.pairs[key]

    @rule(prefix=st.sampled_from(PREFIXES), separator=st.sampled_from(("", "/")))
    def list_keys(self, prefix: str, separator: str) -> None:
        found, _ = self.replica.read(kv.list_keys, prefix, separator)

        expected = set()
        for key in self.model.pairs:
            if key.startswith(prefix):
                head, cut, _ = key[len(prefix) :].partition(separator or "\0")
                expected.add(prefix + head + cut)
        assert found == sorted(expected)

    # The catalog.

    @rule(name=names, instance=st.sampled_from(("", *IDS)))
    def register(self, name: str, instance: str) -> None:
        self.replica.register(name, service=service("web", instance) if instance else None)
        self.model.nodes.add(name)
        if instance:
            self.model.instances.add((name, instance))

    @rule(
        name=names,
        check=st.sampled_from(CHECK_IDS),
        status=st.sampled_from(STATUSES),
        instance=st.sampled_from(("", *IDS)),
    )
    def register_check(self, name: str, check: str, status: str, instance: str) -> None:
        row = HealthCheck(check_id=check, status=status, service_id=instance)
        node = Node(node=name, address="10.0.0.1")

        result = self.replica.apply(Register(node=node, checks=(row,)))

        if instance and (name, instance) not in self.model.instances:
            assert isinstance(result, CatalogError)
            return
        assert result is True
        self.model.nodes.add(name)
        self.model.checks[name, check] = (instance, status)
        if status == "critical":
            self.model.end_where(name, check)

    @rule(name=names, what=st.sampled_from(("", *IDS, *CHECK_IDS)))
    def deregister(self, name: str, what: str) -> None:
        """A node, or (more often) one of its instances or checks."""
        if what in IDS:
            command = Deregister(node=name, service_id=what)
            self.model.drop_instance(name, what)
        elif what in CHECK_IDS:
            command = Deregister(node=name, check_id=what)
            self.model.drop_check(name, what)
        else:
            command = Deregister(node=name)
            self.model.drop_node(name)

        assert self.replica.do(command) is True

    # Sessions.

    @rule(
        session=session_ids,
        name=names,
        deletes=st.booleans(),
        checks=st.sets(st.sampled_from(CHECK_IDS), max_size=1),
        delay=st.sampled_from((0, 5)),
    )
    def begin(
        self, session: str, name: str, checks: set[str], delay: int, *, deletes: bool
    ) -> None:
        if session in self.model.leases:
            return  # ids never repeat
        row = Session(
            id=session,
            node=name,
            behavior="delete" if deletes else "release",
            node_checks=tuple(checks),
            lock_delay=delay,
        )

        result = self.replica.apply(SessionCreate(session=row))

        statuses = {self.model.checks.get((name, check), ("", "critical"))[1] for check in checks}
        if name not in self.model.nodes or "critical" in statuses:
            assert isinstance(result, CatalogError)
            return
        assert result == session
        self.model.leases[session] = Lease(name, deletes, frozenset(checks), delay)

    @rule(session=session_ids)
    def destroy(self, session: str) -> None:
        assert self.replica.do(SessionDestroy(id=session)) is True
        self.model.end(session)

    # What must agree after every step.

    @invariant()
    def keys_agree(self) -> None:
        stored = {
            row.key: Pair(row.value, row.lock_index, row.session)
            for row in self.replica.store.all(KV)
        }
        assert stored == self.model.pairs

    @invariant()
    def sessions_agree(self) -> None:
        assert set(self.model.leases) == {row.id for row in self.replica.store.all(SESSIONS)}

    @invariant()
    def catalog_agrees(self) -> None:
        store = self.replica.store
        assert self.model.nodes == {row.node for row in store.all(NODES)}
        assert self.model.instances == {(row.node, row.service.id) for row in store.all(SERVICES)}
        assert self.model.checks == {
            (row.node, row.check_id): (row.service_id, row.status) for row in store.all(CHECKS)
        }

    @invariant()
    def lock_delays_agree(self) -> None:
        effects = [effect for effect in self.replica.effects if isinstance(effect, LockDelayed)]
        told = sorted((effect.key, effect.delay_ns) for effect in effects)
        assert told == sorted(self.model.delayed)


StoreAgainstModel.TestCase.settings = settings(
    max_examples=250, stateful_step_count=40, deadline=None
)
TestStoreAgainstModel = StoreAgainstModel.TestCase
