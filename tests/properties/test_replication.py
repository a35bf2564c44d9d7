"""What must hold for any sequence of commands, whoever applies it."""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from catalog.commands import Command, decode, encode
from catalog.errors import CatalogError
from catalog.queries import catalog, coordinate, gateway, health, kv, session
from catalog.read import Read
from catalog.store import Store
from catalog.tables import CHECKS, NODES, SCHEMA, SERVICES, SESSIONS
from tests.catalog.replica import Replica, contents, snapshot
from tests.properties.commands import KEYS, NODE_NAMES, PREFIXES, any_command, inhabited

Query = Callable[[Read], Any]


def blocking_reads() -> dict[str, Query]:
    """Every read that a client may block on, over the names that the commands use."""
    reads: dict[str, Query] = {
        "nodes": lambda read: catalog.nodes(read, {}),
        "nodes of rack 1": lambda read: catalog.nodes(read, {"rack": "1"}),
        "services": lambda read: catalog.services(read, {}),
        "services of rack 1": lambda read: catalog.services(read, {"rack": "1"}),
        "all checks": lambda read: health.checks_in_state(read, "any", {}),
        "critical checks": lambda read: health.checks_in_state(read, "critical", {}),
        "checks of rack 1": lambda read: health.checks_in_state(read, "any", {"rack": "1"}),
        "sessions": session.all_sessions,
        "session": lambda read: session.info(read, "s1"),
        "coordinates": lambda read: coordinate.nodes(read, None),
        "services of the gateway": lambda read: gateway.services_of(read, "gateway"),
    }
    for key in KEYS:
        reads[f"key {key}"] = lambda read, key=key: kv.get(read, key)
    for prefix in PREFIXES:
        reads[f"tree {prefix}"] = lambda read, prefix=prefix: kv.list_prefix(read, prefix)
        reads[f"keys {prefix}"] = lambda read, prefix=prefix: kv.list_keys(read, prefix, "/")
    for node in NODE_NAMES:
        reads[f"node {node}"] = lambda read, node=node: catalog.node_services(read, node)
        reads[f"checks on {node}"] = lambda read, node=node: health.node_checks(read, node)
        reads[f"sessions on {node}"] = lambda read, node=node: session.of_node(read, node)
        reads[f"coordinate {node}"] = lambda read, node=node: coordinate.of_node(read, node, None)
    for name in ("web", "db", "web-proxy", "none"):
        reads[f"service {name}"] = lambda read, name=name: catalog.service_nodes(
            read, catalog.instances(read, name), (), {}
        )
        reads[f"connect {name}"] = lambda read, name=name: catalog.service_nodes(
            read, catalog.connect_instances(read, name), (), {}
        )
        reads[f"checks of {name}"] = lambda read, name=name: health.service_checks(read, name, {})
        reads[f"health {name}"] = lambda read, name=name: health.service_nodes(read, name, (), {})
        reads[f"connect health {name}"] = lambda read, name=name: health.connect_nodes(
            read, name, (), {}
        )
    return reads


READS = blocking_reads()


class Waiter:
    """A client that waits for the next change of a read."""

    def __init__(self, store: Store, query: Query) -> None:
        self.read = Read(store)
        self.value = query(self.read)
        self.woken = False
        store.watches.add(self.read.watched, self.wake)

    def wake(self) -> None:
        self.woken = True

    def leave(self) -> None:
        self.read.store.watches.remove(self.read.watched, self.wake)


class Replication(RuleBasedStateMachine):
    """Two replicas of one log, one of which now and then starts from the other's snapshot."""

    @initialize(empty=st.booleans())
    def start(self, *, empty: bool) -> None:
        self.first, self.second = Replica(), Replica()
        for command in [] if empty else inhabited():
            self.first.do(command)
            self.second.do(command)

    @rule(command=any_command)
    def apply(self, command: Command) -> None:
        before = contents(self.first.store)
        waiters = {name: Waiter(self.first.store, query) for name, query in READS.items()}

        result = self.first.apply(command)
        again = self.second.apply(command)

        assert repr(result) == repr(again)
        if isinstance(result, CatalogError):
            assert before == contents(self.first.store)
        self.no_waiter_is_left_behind(waiters)

    def no_waiter_is_left_behind(self, waiters: dict[str, Waiter]) -> None:
        """What changed must wake who waits for it, with a greater index."""
        for name, waiter in waiters.items():
            after = Read(self.first.store)
            if READS[name](after) != waiter.value:
                assert waiter.woken, f"{name}: changed without a wake-up"
                assert after.index > waiter.read.index, f"{name}: changed at the same index"
            waiter.leave()
        assert len(self.first.store.watches) == 0

    @rule()
    def replace_the_second_by_a_restored_one(self) -> None:
        restored = Replica()
        restored.machine.restore(self.first.machine.freeze()())
        restored.index = self.first.index
        assert contents(self.first.store) == contents(restored.store)
        self.second = restored

    @invariant()
    def replicas_are_equal_to_the_byte(self) -> None:
        assert snapshot(self.first.machine) == snapshot(self.second.machine)

    @invariant()
    def indexes_agree_with_rows(self) -> None:
        store = self.first.store
        for table in SCHEMA:
            rows = store.all(table)
            assert [table.key(row) for row in rows] == sorted(table.key(row) for row in rows)
            for index in table.indexes:
                expected: dict[object, list[object]] = {}
                for row in rows:
                    for value in set(index.keys(row)):
                        expected.setdefault(value, []).append(row)
                assert sorted(expected) == store.values(table, index.name)
                for value, found in expected.items():
                    assert found == store.find(table, index.name, value)

    @invariant()
    def nothing_outlives_what_it_belongs_to(self) -> None:
        store = self.first.store
        for instance in store.all(SERVICES):
            assert store.get(NODES, instance.node.lower()) is not None
        for check in store.all(CHECKS):
            assert store.get(NODES, check.node.lower()) is not None
            if check.service_id:
                assert store.get(SERVICES, (check.node.lower(), check.service_id)) is not None
        for row in store.all(SESSIONS):
            assert store.get(NODES, row.node.lower()) is not None

    @invariant()
    def ids_belong_to_one_node_each(self) -> None:
        ids = [node.id for node in self.first.store.all(NODES) if node.id]
        assert len(ids) == len(set(ids))

    @invariant()
    def only_living_services_have_an_index(self) -> None:
        store = self.first.store
        named = {name for name in store.indexes if name.startswith("service.")}
        assert named == {f"service.{name}" for name in store.values(SERVICES, "service")}

    @invariant()
    def no_row_is_newer_than_its_table(self) -> None:
        store = self.first.store
        for table in (NODES, CHECKS, SESSIONS):
            newest = max((row.modify_index for row in store.all(table)), default=0)
            assert newest <= store.last_index(table.name) <= self.first.index


Replication.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestReplication = Replication.TestCase


@given(any_command)
def test_decoded_command_equals_the_encoded(command: Command) -> None:
    assert command == decode(encode(command))


@settings(max_examples=50, deadline=None)
@given(st.lists(any_command, max_size=20), st.integers(min_value=1, max_value=50))
def test_snapshot_survives_any_cutting(commands: list[Command], size: int) -> None:
    replica, restored = Replica(), Replica()
    for command in commands:
        replica.apply(command)
    whole = snapshot(replica.machine)

    restored.machine.restore(whole[at : at + size] for at in range(0, len(whole), size))

    assert whole == snapshot(restored.machine)
