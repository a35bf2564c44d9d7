"""Several servers under faults: a minute of all kinds, and those that need a look of their own."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import chaos
from tests.system.agent_process import AgentStarter, wait_until
from tests.system.disk_faults import DISK_FAILED_STATUS
from tests.system.fault_decks import QUICK
from tests.system.sabotage import Sabotage, SmallDisk, build
from tests.system.servers import Servers, loopback_servers

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

SOAK_S = 60.0
# An order of no meaning, the same each time.
SOAK_SEED = 1
# One full segment of the log, its spare and little more.
DISK_BYTES = 160 * 1024 * 1024
# The largest value there may be fills a segment soonest.
VALUE = "x" * (512 * 1024 - 64)
# More than two segments of it.
FILLING_WRITES_MAX = 400
KEEP_SERVERS = "-hcl=autopilot { cleanup_dead_servers = false }"


@pytest.mark.timeout(300)
def test_a_minute_of_faults_breaks_no_promise(tmp_path: Path) -> None:
    report = chaos.run(tmp_path, SOAK_S, server_count=3, seed=SOAK_SEED, kinds=QUICK)

    print(chaos.summary(report))
    assert report.broken == []


def sabotaged(servers: Servers, directory: Path) -> dict[str, Sabotage]:
    """Let each server's disk and clock be spoiled; before they are started."""
    library = build(directory)
    spoiled = {name: Sabotage(library, directory / f"page-{name}") for name in servers.names}
    for name, sabotage in spoiled.items():
        servers[name].program = (*sabotage.prefix, *servers[name].program)
    return spoiled


def exit_status(servers: Servers, name: str) -> int:
    """The status of a server that ends by itself."""
    process = servers[name].process
    assert process is not None
    try:
        return process.wait(20)
    finally:
        servers[name].kill()


def test_a_failed_sync_of_a_follower_ends_it_and_the_others_go_on(
    start_agent: AgentStarter, tmp_path: Path
) -> None:
    servers = loopback_servers(start_agent, 3, KEEP_SERVERS)
    spoiled = sabotaged(servers, tmp_path)
    servers.start()
    victim = servers.followers()[0]
    leader = servers.wait_leader()

    spoiled[victim].fail_syncs()
    for number in range(20):
        servers[leader].put_ok(f"/v1/kv/during/{number}", "x")
    status = exit_status(servers, victim)
    spoiled[victim].mend_syncs()
    servers[victim].restart()

    assert status == DISK_FAILED_STATUS
    assert "Traceback" not in servers[victim].log_tail()
    assert len(servers.wait_same("during/")) == 20


def test_a_write_under_a_failing_sync_is_not_acknowledged_by_a_lone_server(
    start_agent: AgentStarter, tmp_path: Path
) -> None:
    servers = loopback_servers(start_agent, 1)
    spoiled = sabotaged(servers, tmp_path)
    servers.start()

    spoiled["s1"].fail_syncs()
    with contextlib.suppress(OSError):
        assert servers["s1"].put("/v1/kv/lost", "x").status != 200

    assert exit_status(servers, "s1") == DISK_FAILED_STATUS


def test_a_leader_with_a_hung_disk_is_replaced_and_follows_once_it_works(
    start_agent: AgentStarter, tmp_path: Path
) -> None:
    servers = loopback_servers(start_agent, 3, KEEP_SERVERS)
    spoiled = sabotaged(servers, tmp_path)
    servers.start()
    victim = servers.wait_leader()
    rest = [name for name in servers.names if name != victim]

    spoiled[victim].hang_syncs()
    with writing(servers, rest[0]):
        successor = servers.wait_leader(other_than=victim, among=rest)
    servers[successor].put_ok("/v1/kv/meanwhile", "x")
    spoiled[victim].mend_syncs()

    assert [row["Key"] for row in servers.wait_same("meanwhile")] == ["meanwhile"]
    assert servers[victim].is_running()


@contextlib.contextmanager
def writing(servers: Servers, via: str) -> Iterator[None]:
    """Writes go on in the block, whatever becomes of them."""
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.1):
            with contextlib.suppress(OSError):
                servers[via].put("/v1/kv/any", "x")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def test_a_follower_whose_disk_is_full_ends_and_the_others_go_on(
    start_agent: AgentStarter, tmp_path: Path
) -> None:
    servers = loopback_servers(start_agent, 3, KEEP_SERVERS)
    disks: dict[str, SmallDisk] = {}
    try:
        for name, agent in servers.agents.items():
            disks[name] = SmallDisk(agent.log_path.parent / "data", DISK_BYTES)
            agent.program = (*disks[name].prefix, *agent.program)
        servers.start()
        leader = servers.wait_leader()
        victim = servers.followers()[0]

        disks[victim].fill()
        for _ in range(FILLING_WRITES_MAX):
            servers[leader].put_ok("/v1/kv/large", VALUE)
            if not servers[victim].is_running():
                break
        status = exit_status(servers, victim)
        servers[leader].put_ok("/v1/kv/after", "x")
        disks[victim].clear()
        servers[victim].restart()

        assert status == DISK_FAILED_STATUS
        assert [row["Key"] for row in servers.wait_same("after")] == ["after"]
    finally:
        servers.end()
        for disk in disks.values():
            disk.end()


def test_a_jump_of_the_wall_clock_changes_no_leader_and_ends_no_session(
    start_agent: AgentStarter, tmp_path: Path
) -> None:
    servers = loopback_servers(start_agent, 3, KEEP_SERVERS)
    spoiled = sabotaged(servers, tmp_path)
    servers.start()
    leader = servers.wait_leader()
    session = servers["s1"].put_ok("/v1/session/create", {"TTL": "60s", "Checks": []}).json["ID"]

    for offset_s in (86_400.0, -86_400.0, 0.0):
        for sabotage in spoiled.values():
            sabotage.jump_clock(offset_s)
        for name in servers.names:
            servers[name].put_ok(f"/v1/kv/jump/{name}", "x")

    assert servers.wait_leader() == leader
    assert [row["ID"] for row in servers["s2"].get(f"/v1/session/info/{session}").json] == [session]
    wait_until(lambda: len(servers.wait_same("jump/")) == 3)
