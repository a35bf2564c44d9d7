"""Stand-ins for what surrounds the local agent: checks, catalog, clock, randomness."""

from pathlib import Path

import msgspec

from agent.checks.definition import CheckType
from agent.checks.ttl import NoTtl, TtlState
from agent.local.agent import LocalAgent, LocalSettings
from agent.local.body import read_check, read_service
from agent.local.definitions import CheckDefinition, ServiceDefinition
from agent.local.state import LocalState
from agent.local.sync import Registration
from catalog.errors import Invalid, PermissionDenied
from catalog.rows.check import SERF_HEALTH, HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import NodeService

NODE = Node(id="11", node="n1", address="10.0.0.1", meta={"rack": "a"})


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Half:
    """Randomness without surprise."""

    def random(self) -> float:
        return 0.5


class FakeRunner:
    """Runs nothing; keeps what it was told. ``report`` is how results reach the state."""

    def __init__(self, state: LocalState, clock: Clock) -> None:
        self.running: dict[str, CheckType] = {}
        self.resumed: dict[str, TtlState] = {}
        self.started: list[str] = []
        self._state = state
        self._clock = clock
        self._ttl_states: dict[str, TtlState] = {}

    def start(self, definition: CheckType, *, resumed: TtlState | None = None) -> None:
        if self.running.get(definition.check_id) != definition:
            self.started.append(definition.check_id)
        self.running[definition.check_id] = definition
        if resumed is not None:
            self.resumed[definition.check_id] = resumed

    def stop(self, check_id: str) -> None:
        self.running.pop(check_id, None)

    def report_ttl(self, check_id: str, status: str, output: str) -> None:
        definition = self.running.get(check_id)
        if definition is None or definition.type_name != "ttl":
            raise NoTtl(check_id)
        self._ttl_states[check_id] = TtlState(
            check_id=check_id, status=status, output=output, expires=4e9
        )
        self._state.update_check(check_id, status, output, now_s=self._clock())

    def ttl_state(self, check_id: str) -> TtlState | None:
        return self._ttl_states.get(check_id)


class Local(msgspec.Struct):
    """A local agent with its surroundings."""

    agent: LocalAgent
    state: LocalState
    runner: FakeRunner
    clock: Clock

    def register(self, body: bytes | str, **options) -> None:
        body = body.encode() if isinstance(body, str) else body
        self.agent.register_service(read_service(body), **options)

    def register_check(self, body: bytes | str) -> None:
        body = body.encode() if isinstance(body, str) else body
        self.agent.register_check(read_check(body))

    def check(self, check_id: str) -> HealthCheck:
        return self.state.checks[check_id].check

    def settle(self) -> None:
        """Forget what the catalog does not know yet."""
        pending = self.state.pending
        pending.node = False
        for part in (
            pending.services,
            pending.checks,
            pending.gone_services,
            pending.gone_checks,
            pending.deferred,
        ):
            part.clear()


def make_local(*, data_dir: Path | None = None, interval_s: float = 300.0, **settings) -> Local:
    """A local agent that runs no checks, on node n1."""
    clock = Clock()
    state = LocalState(rng=Half(), check_update_interval_s=interval_s)
    runner = FakeRunner(state, clock)
    agent = LocalAgent(
        settings=LocalSettings(node="n1", **settings),
        state=state,
        runner=runner,
        data_dir=data_dir,
        now_s=clock,
    )
    return Local(agent=agent, state=state, runner=runner, clock=clock)


def service(body: str) -> ServiceDefinition:
    return read_service(body.encode())


def check(body: str) -> CheckDefinition:
    return read_check(body.encode())


class FakeCatalog:
    """The rows of one node, as servers keep them; ``writes`` lists what was asked."""

    def __init__(self) -> None:
        self.node: Node | None = None
        self.services: dict[str, NodeService] = {}
        self.checks: dict[str, HealthCheck] = {
            SERF_HEALTH: HealthCheck(node="n1", check_id=SERF_HEALTH, status="passing")
        }
        self.writes: list[str] = []
        self.tokens: list[str] = []
        self.failure: Exception | None = None
        self.denied: set[str] = set()

    async def register(self, registration: Registration) -> None:
        service = registration.service
        self._say(f"register {service.id if service else ''}", len(registration.checks))
        if service is not None and service.id in self.denied:
            raise PermissionDenied("Permission denied")
        if not registration.skip_node_update:
            self.node = registration.node
        if service is not None:
            self.services[service.id] = service
        for check in registration.checks:
            if check.service_id and check.service_id not in self.services:
                raise Invalid("Missing service registration")
            self.checks[check.check_id] = check

    async def deregister(
        self, node: str, *, service_id: str = "", check_id: str = "", token: str = ""
    ) -> None:
        self._say(f"deregister {service_id}{check_id}")
        self.tokens.append(token)
        assert node == "n1"
        if service_id:
            self.services.pop(service_id, None)
            self.checks = {
                key: check for key, check in self.checks.items() if check.service_id != service_id
            }
        self.checks.pop(check_id, None)

    async def node_services(self, node: str) -> tuple[Node | None, tuple[NodeService, ...]]:
        self._raise()
        return self.node, tuple(self.services.values())

    async def node_checks(self, node: str) -> tuple[HealthCheck, ...]:
        self._raise()
        return tuple(self.checks.values())

    def _say(self, what: str, check_count: int = 0) -> None:
        self._raise()
        self.writes.append(what + (f" +{check_count}" if check_count else ""))

    def _raise(self) -> None:
        if self.failure is not None:
            raise self.failure
