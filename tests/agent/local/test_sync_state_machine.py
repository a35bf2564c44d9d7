"""Anti-entropy under any order of local changes, tampering and failures."""

import asyncio

import msgspec
import pytest
from hypothesis import HealthCheck as Health
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agent.local.difference import same_check, same_node, same_service
from agent.local.sync import LocalSync
from catalog.rows.check import SERF_HEALTH, HealthCheck
from catalog.rows.service import NodeService
from tests.agent.local.fakes import NODE, FakeCatalog, make_local

IDS = st.sampled_from(["a", "b", "c"])
STATUSES = st.sampled_from(["passing", "warning", "critical"])


class LocalAndCatalog(RuleBasedStateMachine):
    """Whatever happens on either side, a full sync makes the catalog say what the node says."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.local = make_local(interval_s=0)
        self.catalog = FakeCatalog()
        self.sync = self.loop.run_until_complete(self._make_sync())

    async def _make_sync(self) -> LocalSync:
        return LocalSync(
            state=self.local.state,
            catalog=self.catalog,
            node=lambda: NODE,
            now_s=self.loop.time,
        )

    def teardown(self) -> None:
        self.loop.close()

    @rule(
        service_id=IDS,
        port=st.integers(0, 2),
        override=st.booleans(),
        check_count=st.integers(0, 2),
        replace=st.booleans(),
    )
    def register(self, service_id, port, override, check_count, replace) -> None:
        checks = ",".join(['{"TTL":"1s"}'] * check_count)
        self.local.register(
            f'{{"ID":"{service_id}","Name":"s","Port":{port},"Tags":["t{port}"],'
            f'"EnableTagOverride":{str(override).lower()},"Checks":[{checks}]}}',
            replace_checks=replace,
        )

    @rule(service_id=IDS)
    def deregister(self, service_id) -> None:
        self.local.agent.deregister_service(service_id)

    @rule(check_id=IDS, ttl=st.integers(1, 2))
    def register_check(self, check_id, ttl) -> None:
        self.local.register_check(f'{{"Name":"{check_id}","TTL":"{ttl}s","Notes":"{ttl}"}}')

    @rule(check_id=IDS)
    def deregister_check(self, check_id) -> None:
        self.local.agent.deregister_check(check_id)

    @rule(status=STATUSES, output=st.sampled_from(["", "x"]), number=st.integers(0, 9))
    def update(self, status, output, number) -> None:
        ids = sorted(self.local.state.checks)
        if ids:
            check_id = ids[number % len(ids)]
            if self.local.state.checks[check_id].definition is not None:
                self.local.agent.update_check(check_id, status, output)

    @rule(service_id=IDS, enable=st.booleans())
    def maintain(self, service_id, enable) -> None:
        if service_id in self.local.state.services:
            self.local.agent.set_service_maintenance(service_id, enable=enable)

    @rule(service_id=IDS, port=st.integers(0, 2), override=st.booleans())
    def tamper_service(self, service_id, port, override) -> None:
        self.catalog.services[service_id] = NodeService(
            id=service_id, service="s", port=port, tags=("x",), enable_tag_override=override
        )

    @rule(check_id=IDS, status=STATUSES, number=st.integers(0, 9))
    def tamper_check(self, check_id, status, number) -> None:
        ids = ["", *sorted(self.catalog.services)]
        self.catalog.checks[check_id] = HealthCheck(
            node="n1", check_id=check_id, status=status, service_id=ids[number % len(ids)]
        )

    @rule(service_id=IDS)
    def tamper_removal(self, service_id) -> None:
        self.loop.run_until_complete(self.catalog.deregister("n1", service_id=service_id))

    @rule()
    def tamper_node(self) -> None:
        self.catalog.node = msgspec.structs.replace(NODE, meta={"rack": "z"})

    @rule()
    def partial_sync(self) -> None:
        self.loop.run_until_complete(self.sync.sync_changes())
        assert self.local.state.pending.is_empty

    @rule()
    def failing_sync(self) -> None:
        self.catalog.failure = OSError("gone")
        with pytest.raises(OSError, match="gone"):
            self.loop.run_until_complete(self.sync.sync_full())
        self.catalog.failure = None

    @rule()
    def full_sync(self) -> None:
        self.loop.run_until_complete(self.sync.sync_full())

        catalog, state = self.catalog, self.local.state
        assert state.pending.is_empty
        assert catalog.node is not None
        assert same_node(NODE, catalog.node)
        assert set(catalog.services) == set(state.services)
        assert set(catalog.checks) == {*state.checks, SERF_HEALTH}
        for service_id, entry in state.services.items():
            assert same_service(entry.service, catalog.services[service_id])
        for check_id, check in state.checks.items():
            assert same_check(check.check, catalog.checks[check_id], ignore_output=False)

    @rule()
    def full_sync_twice_writes_nothing(self) -> None:
        self.loop.run_until_complete(self.sync.sync_full())
        self.catalog.writes.clear()

        self.loop.run_until_complete(self.sync.sync_full())

        assert self.catalog.writes == []

    @invariant()
    def running_checks_are_the_registered_ones(self) -> None:
        defined = {
            check_id
            for check_id, entry in self.local.state.checks.items()
            if entry.definition is not None
        }
        assert defined == set(self.local.runner.running)


LocalAndCatalog.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[Health.too_slow],
)
TestLocalAndCatalog = LocalAndCatalog.TestCase
