"""The checks that run on this agent: started and stopped by identifier, findings reported.

A check runs first at a random moment of its interval, so that many checks registered together
spread out, then one interval after the end of each run: runs of one check never overlap.
"""

import asyncio
from collections.abc import Callable
from typing import Final, assert_never

import msgspec
import structlog

from agent.checks.alias import AliasWatch, Lookup
from agent.checks.definition import CheckType
from agent.checks.late_probe import LateProbe
from agent.checks.os_service import OsServiceProbe
from agent.checks.outcome import Outcome, Probe, Thresholds, critical
from agent.checks.output import output_bytes_max
from agent.checks.script import ScriptProbe
from agent.checks.settings import INTERVAL_MIN_NS, CheckSettings, Random
from agent.checks.tcp import TcpProbe
from agent.checks.tls import ClientTls
from agent.checks.ttl import NoTtl, TtlState, TtlTimer
from agent.checks.udp import UdpProbe
from agent.tasks import Tasks
from catalog.duration import SECOND, format_duration
from catalog.rows.check import PASSING

Report = Callable[[str, str, str], None]
"""``report(check_id, status, output)``: called on the loop's thread, must not block."""

PROBE_FAILED: Final = "Check could not be run"

_log = structlog.get_logger("agent.checks")


class _Running(msgspec.Struct, kw_only=True):
    definition: CheckType
    task: asyncio.Task[None] | None = None
    timer: TtlTimer | None = None


class CheckRunner:
    """Owns every running check. All methods belong to the loop's thread."""

    def __init__(
        self,
        tasks: Tasks,
        rng: Random,
        report: Report,
        settings: CheckSettings,
        *,
        lookup: Lookup,
    ) -> None:
        self._tasks = tasks
        self._rng = rng
        self._report = report
        self._settings = settings
        self._lookup = lookup
        self._client_tls = ClientTls(settings.agent_tls)
        self._running: dict[str, _Running] = {}

    def start(self, definition: CheckType, *, resumed: TtlState | None = None) -> None:
        """Run ``definition``, which has been validated, in place of any check of its identifier.

        An equal check that already runs goes on undisturbed, with its TTL deadline and counters.
        ``resumed`` is the state of a TTL check from a former process: its deadline holds on.
        """
        assert definition.check_id, "a check to run has an identifier"
        running = self._running.get(definition.check_id)
        if running is not None and _runs_alike(running.definition, definition):
            running.definition = definition
            return
        self.stop(definition.check_id)
        self._running[definition.check_id] = self._begin(definition, resumed)

    def stop(self, check_id: str) -> None:
        """End a check; no report of it comes after this. Unknown identifiers are no error."""
        running = self._running.pop(check_id, None)
        if running is None:
            return
        if running.timer is not None:
            running.timer.stop()
        if running.task is not None:
            running.task.cancel()

    def stop_all(self) -> None:
        """End every check."""
        for check_id in list(self._running):
            self.stop(check_id)

    def report_ttl(self, check_id: str, status: str, output: str) -> None:
        """Take a service's word for its TTL check and start its span anew. Raises NoTtl."""
        running = self._running.get(check_id)
        if running is None or running.timer is None:
            raise NoTtl(check_id)
        outcome = running.timer.report(status, output)
        self._report(check_id, outcome.status, outcome.output)

    def ttl_state(self, check_id: str) -> TtlState | None:
        """What to persist of a TTL check; None for others and before the first report."""
        running = self._running.get(check_id)
        return running.timer.state if running is not None and running.timer is not None else None

    def counts(self) -> tuple[int, int]:
        """How many checks look by themselves, and how many wait for reports (TTL)."""
        ttl_count = sum(running.timer is not None for running in self._running.values())
        return len(self._running) - ttl_count, ttl_count

    def reload_tls(self) -> None:
        """Use the agent's new certificate from the next run on."""
        self._client_tls.forget()

    def _begin(self, definition: CheckType, resumed: TtlState | None) -> _Running:
        check_id = definition.check_id
        output_bytes = output_bytes_max(definition, self._settings.output_bytes_max)
        running = _Running(definition=definition)

        def report(outcome: Outcome) -> None:
            # A run that ends just as its check is stopped or replaced must not speak for it.
            if self._running.get(check_id) is running:
                self._report(check_id, outcome.status, outcome.output)

        match definition.type_name:
            case "ttl":
                running.timer = TtlTimer(definition, output_bytes, report)
                running.timer.start(resumed)
                return running
            case "alias":
                work = AliasWatch(definition, self._lookup, report, output_bytes).run()
            case _:
                work = self._repeat(running, self._probe(definition, output_bytes), report)
        running.task = self._tasks.start(f"check {check_id}", work)
        return running

    def _probe(self, definition: CheckType, output_bytes: int) -> Probe:
        match definition.type_name:
            case "tcp":
                return TcpProbe(definition, self._client_tls)
            case "udp":
                return UdpProbe(definition)
            case "script":
                return ScriptProbe(definition, output_bytes)
            case "os_service":
                return OsServiceProbe(definition)
            case "http" | "docker" | "grpc" | "h2ping":
                return LateProbe(lambda: self._import_probe(definition, output_bytes))
            case "ttl" | "alias":
                raise AssertionError("not probed")
            case type_name:
                assert_never(type_name)

    def _import_probe(self, definition: CheckType, output_bytes: int) -> Probe:
        """The probes that need a large library."""
        match definition.type_name:
            case "http":
                from agent.checks.http import HttpProbe

                return HttpProbe(definition, self._client_tls, output_bytes)
            case "docker":
                from agent.checks.docker import DockerProbe

                return DockerProbe(definition, self._settings.docker_host, output_bytes)
            case "grpc":
                from agent.checks.grpc import GrpcProbe

                return GrpcProbe(definition, self._client_tls, output_bytes)
            case "h2ping":
                from agent.checks.h2ping import H2PingProbe

                return H2PingProbe(definition, self._client_tls)
            case type_name:
                raise AssertionError(f"{type_name} needs no library")

    async def _repeat(
        self, running: _Running, probe: Probe, report: Callable[[Outcome], None]
    ) -> None:
        definition = running.definition
        check_id = definition.check_id
        interval_s = _interval_ns(definition) / SECOND
        thresholds = Thresholds(definition)
        status_before = ""
        await asyncio.sleep(self._rng.random() * interval_s)
        while self._running.get(check_id) is running:
            outcome = await _look(check_id, probe)
            status = thresholds.settle(outcome)
            if status is not None:
                report(Outcome(status, outcome.output))
                _log_change(check_id, status_before, status)
                status_before = status
            await asyncio.sleep(interval_s)


async def _look(check_id: str, probe: Probe) -> Outcome:
    try:
        return await probe.run()
    except Exception as error:  # noqa: BLE001 - the check must go on and show what went wrong
        _log.exception("check could not be run", check=check_id)
        return critical(f"{PROBE_FAILED}: {type(error).__name__}: {error}")


def _log_change(check_id: str, status_before: str, status: str) -> None:
    if status == status_before:
        return
    if status == PASSING:
        _log.debug("check status updated", check=check_id, status=status)
    else:
        _log.warning("check is not passing", check=check_id, status=status)


def _interval_ns(definition: CheckType) -> int:
    if definition.interval_ns >= INTERVAL_MIN_NS:
        return definition.interval_ns
    _log.warning(
        "check has interval below minimum",
        check=definition.check_id,
        interval=format_duration(definition.interval_ns),
        minimum_interval=format_duration(INTERVAL_MIN_NS),
    )
    return INTERVAL_MIN_NS


def _runs_alike(first: CheckType, second: CheckType) -> bool:
    """Whether two definitions differ at most in what is shown, not in what is run."""
    return _as_run(first) == _as_run(second)


def _as_run(definition: CheckType) -> CheckType:
    return msgspec.structs.replace(
        definition, name="", notes="", status="", deregister_critical_service_after_ns=0
    )
