"""The agent's life: start, reload as a whole or not at all, stop."""

import asyncio
import signal

import pytest

from agent.config import RuntimeConfig, load, parse_flags
from agent.identity import IdentityError
from agent.lifecycle import Lifecycle, ReloadRefused
from agent.telemetry.logs import LogHub
from tests.agent.harness import House, on_any_ports, until


class Configured:
    """An agent's configuration file, read anew at each reload."""

    def __init__(self, path) -> None:
        self.file = path / "agent.hcl"
        self.write("")

    def write(self, text: str) -> None:
        self.file.write_text(f"ports {{ http = -1 https = -1 dns = -1 }} {text}")

    def load(self) -> RuntimeConfig:
        flags = parse_flags(["-dev", "-node=node-a", f"-config-file={self.file}"])
        return on_any_ports(load(flags, interfaces=(), hostname="node-a"))


@pytest.fixture
def configured(tmp_path) -> Configured:
    return Configured(tmp_path)


@pytest.fixture
async def running(configured):
    lifecycle = Lifecycle(configured.load(), configured.load, LogHub("ERROR", ()))
    life = asyncio.create_task(lifecycle.run())
    await until(lambda: lifecycle.agent.server.driver.applied_index >= 3 or life.done())
    await until(lambda: lifecycle.agent.sync is not None)
    yield lifecycle
    lifecycle._ended.set()
    await life


def service_ids(lifecycle: Lifecycle) -> set[str]:
    return set(lifecycle.agent.local.services())


async def test_a_reload_registers_what_files_define_and_forgets_what_they_no_longer_do(
    running, configured
):
    configured.write('service { name = "a" } service { name = "b" }')
    await running.reload()
    assert service_ids(running) == {"a", "b"}

    configured.write('service { name = "b" }')
    await running.reload()
    assert service_ids(running) == {"b"}


@pytest.mark.parametrize(
    "broken",
    [
        'service { name = "c" } check { name = "x" }',
        'service { name = "c" } service { name = "d" check { http = "http://a" } }',
        'datacentre = "x"',
        "service {",
        'node_name = "bad name!" log_level = "nonsense"',
    ],
)
async def test_a_reload_that_fails_changes_nothing_and_says_why(running, configured, broken):
    configured.write('service { name = "a" } log_level = "WARN"')
    await running.reload()
    before = running.agent.config

    configured.write(broken)
    with pytest.raises(ReloadRefused) as caught:
        await running.reload()

    assert str(caught.value)
    assert service_ids(running) == {"a"}
    assert running.agent.config is before
    assert running.agent.services.config is before


async def test_after_a_refused_reload_the_next_good_one_works(running, configured):
    configured.write("service {")
    with pytest.raises(ReloadRefused):
        await running.reload()
    configured.write('service { name = "a" }')
    await running.reload()

    assert service_ids(running) == {"a"}


async def test_live_keys_are_taken_over_everywhere(running, configured):
    configured.write('http_config { response_headers { "X-New" = "yes" } }')
    await running.reload()

    assert ("X-New", "yes") in running.agent.front.settings.response_headers
    assert running.agent.config.http_config.response_headers == {"X-New": "yes"}


async def test_reloads_in_a_row_leave_the_last(running, configured):
    for number in range(10):
        configured.write(f'service {{ name = "s{number}" }}')
        await running.reload()

    assert service_ids(running) == {"s9"}


async def test_a_hang_up_reloads_and_a_bad_file_only_tells(running, configured):
    configured.write("service {")
    running._hang_up()
    await until(lambda: not running._reloading.locked())
    configured.write('service { name = "a" }')
    signal.raise_signal(signal.SIGHUP)

    await until(lambda: service_ids(running) == {"a"})


async def test_a_signal_ends_the_agent(configured):
    lifecycle = Lifecycle(configured.load(), configured.load, LogHub("ERROR", ()))
    life = asyncio.create_task(lifecycle.run())
    await until(lambda: lifecycle.agent.server.driver.applied_index >= 3)

    signal.raise_signal(signal.SIGTERM)

    async with asyncio.timeout(5):
        await life


async def test_leaving_ends_the_agent_after_the_answer(configured):
    lifecycle = Lifecycle(configured.load(), configured.load, LogHub("ERROR", ()))
    life = asyncio.create_task(lifecycle.run())
    await until(lambda: lifecycle.agent.server.driver.applied_index >= 3)
    lifecycle.agent.services.leave()
    assert not life.done()

    async with asyncio.timeout(5):
        await life


async def test_the_pid_file_lives_as_long_as_the_agent(configured, tmp_path):
    pid_file = tmp_path / "pid"
    configured.write(f'pid_file = "{pid_file}"')
    lifecycle = Lifecycle(configured.load(), configured.load, LogHub("ERROR", ()))
    life = asyncio.create_task(lifecycle.run())
    await until(pid_file.exists)
    assert int(pid_file.read_text())
    lifecycle._ended.set()
    await life

    assert not pid_file.exists()


async def test_a_taken_port_ends_the_start_and_frees_everything(house: House, tmp_path):
    def read() -> RuntimeConfig:
        argv = ["-dev", "-node=node-b", f"-http-port={house.port}", "-dns-port=-1"]
        return load(parse_flags(argv), interfaces=(), hostname="node-b")

    lifecycle = Lifecycle(read(), read, LogHub("ERROR", ()))

    with pytest.raises(OSError, match=str(house.port)):
        await lifecycle.run()
    assert all(task.done() for task in lifecycle.agent.tasks._running)


async def test_a_second_agent_in_the_data_directory_is_refused(tmp_path):
    def read() -> RuntimeConfig:
        argv = ["-dev", "-node=node-a", f"-data-dir={tmp_path}", "-http-port=-1"]
        return load(parse_flags(argv), interfaces=(), hostname="node-a")

    first = Lifecycle(read(), read, LogHub("ERROR", ()))
    with pytest.raises(IdentityError):
        Lifecycle(read(), read, LogHub("ERROR", ()))
    first._data_directory.close()
