"""The driver with real files: restarts, crashes, snapshots, archives, errors of the disk."""

import asyncio
import time
from pathlib import Path

import pytest

from raft.durable import DurableStorage
from raft.entries import (
    Entry,
    HardState,
    Kind,
    Server,
    Write,
    decode_configuration,
    encode_configuration,
    sole_configuration,
)
from raft.errors import (
    MembershipRefused,
    NoLeader,
    OutcomeUnknown,
    Overloaded,
    Stopped,
    StorageError,
)
from raft.storage import MemoryStorage, Reports, Storage
from tests.raft.machines import (
    ADDRESS,
    ALONE,
    OTHER_ID,
    SERVER_ID,
    CountingFiles,
    Journal,
    commands_after_restart,
    durable,
    make_driver,
)


@pytest.fixture(params=["memory", "disk"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return MemoryStorage() if request.param == "memory" else durable(tmp_path)


async def test_fresh_server_writes_its_membership_then_a_no_op(storage: Storage) -> None:
    machine = Journal()
    driver = make_driver(machine, storage)
    await driver.start(ALONE)

    assert (
        driver.last_index,
        driver.commit_index,
        driver.applied_index,
        driver.term,
    ) == (2, 2, 2, 2)
    assert (Server(0, SERVER_ID, ADDRESS),) == driver.configuration.servers
    assert driver.configuration_index == 1
    assert await driver.propose(b"a") == (3, 1)
    assert machine.commands == [(3, b"a")]
    await driver.stop()


async def test_submit_answers_on_the_loop_in_order(storage: Storage) -> None:
    driver = make_driver(Journal(), storage)
    await driver.start(ALONE)
    answers: list[tuple[int, object]] = []

    for command in (b"a", b"b", b"c"):
        driver.submit(command, lambda index, result: answers.append((index, result)))
    assert answers == []
    barrier = await driver.barrier()

    assert barrier == 5
    assert answers == [(3, 1), (4, 2), (5, 3)]
    await driver.stop()


async def test_restart_replays_the_log_in_a_new_term(tmp_path: Path) -> None:
    driver = make_driver(Journal(), durable(tmp_path))
    await driver.start(ALONE)
    for number in range(100):
        await driver.propose(b"%d" % number)
    await driver.stop()

    machine = Journal()
    driver = make_driver(machine, durable(tmp_path))
    await driver.start(ALONE)

    assert [(index + 3, b"%d" % index) for index in range(100)] == machine.commands
    assert (driver.last_index, driver.term) == (103, 3)
    await driver.stop()


async def test_term_and_vote_are_on_disk_before_the_server_is_ready(tmp_path: Path) -> None:
    driver = make_driver(Journal(), durable(tmp_path))
    await driver.start(ALONE)
    await driver.stop()
    storage = durable(tmp_path)

    recovered = storage.open()

    assert recovered.hard_state == HardState(2, SERVER_ID, 0)
    storage.close()


async def test_new_term_is_above_both_the_vote_and_the_log(tmp_path: Path) -> None:
    storage = durable(tmp_path)
    storage.open()
    storage.begin(bytes(16))
    storage.start(Reports(lambda _: None, lambda _: None, lambda _: None))
    entry = Entry(1, 7, Kind.CONFIGURATION, encode_configuration(ALONE))
    storage.persist(Write(sequence=1, hard_state=HardState(3, SERVER_ID), entries=[entry]))
    await asyncio.to_thread(storage.close)

    driver = make_driver(Journal(), durable(tmp_path))
    await driver.start(ALONE)

    assert driver.term == 8
    await driver.stop()


async def test_stop_drains_what_was_submitted(tmp_path: Path) -> None:
    driver = make_driver(Journal(), durable(tmp_path))
    await driver.start(ALONE)
    answered: list[int] = []
    for number in range(500):
        driver.submit(b"%d" % number, lambda index, _result: answered.append(index))

    await driver.stop()
    await driver.stop()

    assert list(range(3, 503)) == answered
    assert len(await commands_after_restart(tmp_path)) == 500
    with pytest.raises(Stopped, match="stopping"):
        await driver.propose(b"late")
    with pytest.raises(Stopped):
        await driver.barrier()


async def test_concurrent_proposals_share_their_syncs(tmp_path: Path) -> None:
    files = CountingFiles()
    driver = make_driver(Journal(), durable(tmp_path, files=files))
    await driver.start(ALONE)
    before = files.content_syncs

    async def propose(count: int) -> None:
        for _ in range(count):
            await driver.propose(b"x")

    await asyncio.gather(*(propose(20) for _ in range(64)))

    syncs = files.content_syncs - before
    assert 64 * 20 / syncs > 10
    await driver.stop()


@pytest.mark.parametrize("call", ["sync_content", "write_at"])
async def test_a_disk_error_is_fatal_and_nothing_is_acknowledged(tmp_path: Path, call: str) -> None:
    """hashicorp/raft#614: a server that cannot write must not go on."""
    files = CountingFiles()
    fatal: list[BaseException] = []
    machine = Journal()
    driver = make_driver(machine, durable(tmp_path, files=files), fatal=fatal)
    await driver.start(ALONE)
    await driver.propose(b"kept")
    error = OSError(5, "Input/output error")
    files.fail[call] = error
    before = files.content_syncs

    with pytest.raises(OutcomeUnknown, match="outcome unknown"):
        await driver.propose(b"lost")
    files.fail.clear()
    with pytest.raises(Stopped):
        await driver.propose(b"refused")

    assert [error] == fatal
    assert machine.commands == [(3, b"kept")]
    assert files.content_syncs - before <= 1  # the failed one; it is never tried again
    await driver.stop()


async def test_nearly_full_disk_refuses_commands_until_there_is_room(tmp_path: Path) -> None:
    files = CountingFiles()
    driver = make_driver(Journal(), durable(tmp_path, files=files))
    await driver.start(ALONE)
    files.room_bytes = 1000
    await driver.propose(b"the last one that was not looked at")

    with pytest.raises(Overloaded, match=f"only 1000 bytes are free at {tmp_path}"):
        await driver.propose(b"refused")
    files.room_bytes = None

    assert await driver.propose(b"taken") == (4, 2)
    await driver.stop()


async def test_full_disk_at_the_first_start_is_a_clear_error(tmp_path: Path) -> None:
    files = CountingFiles()
    files.fail["write_at"] = OSError(28, "No space left on device")

    with pytest.raises(StorageError, match=r"the log cannot be made: .*No space left"):
        await make_driver(Journal(), durable(tmp_path, files=files)).start(ALONE)

    assert await commands_after_restart(tmp_path) == []


async def test_a_new_address_becomes_part_of_the_membership(tmp_path: Path) -> None:
    driver = make_driver(Journal(), durable(tmp_path))
    await driver.start(ALONE)
    await driver.stop()

    driver = make_driver(Journal(), durable(tmp_path), address="10.0.0.9:8300")
    await driver.start(ALONE)

    assert (Server(0, SERVER_ID, "10.0.0.9:8300"),) == driver.configuration.servers
    assert driver.configuration_index == 4
    await driver.stop()


async def test_bootstrap_entry_is_the_same_on_every_disk(tmp_path: Path) -> None:
    storage = durable(tmp_path)
    driver = make_driver(Journal(), storage)
    await driver.start(ALONE)
    await driver.stop()

    storage = durable(tmp_path)
    storage.open()
    first, no_op = storage.entries(1, 2)
    storage.close()

    assert (first.index, first.term, no_op.term) == (1, 1, 2)
    assert driver.configuration == decode_configuration(first.payload)


async def test_a_bootstrap_that_was_torn_by_a_crash_is_done_again(tmp_path: Path) -> None:
    """The first write holds term and entry; of one that was not synced only the term may remain."""
    storage = durable(tmp_path)
    storage.open()
    storage.begin(b"1" * 16)
    storage.start(Reports(lambda _: None, lambda _: None, lambda _: None))
    storage.persist(Write(sequence=1, hard_state=HardState(1)))
    await asyncio.to_thread(storage.close)

    for term in (2, 3):
        driver = make_driver(Journal(), durable(tmp_path))
        await driver.start(ALONE)
        assert (driver.term, driver.configuration) == (term, ALONE)
        own_id = driver.cluster_id
        await driver.stop()
    assert own_id != b"1" * 16


async def test_a_disk_that_fails_at_the_start_does_not_leave_it_waiting(tmp_path: Path) -> None:
    class Failing(CountingFiles):
        def sync_content(self, descriptor: int) -> None:
            super().sync_content(descriptor)
            if self.content_syncs == 2:  # the header of the first segment, then the first entry
                raise OSError(5, "Input/output error")

    fatal: list[BaseException] = []
    driver = make_driver(Journal(), durable(tmp_path, files=Failing()), fatal=fatal)

    with pytest.raises(Stopped, match="Input/output"):
        await asyncio.wait_for(driver.start(ALONE), 10)

    assert len(fatal) == 1


async def test_who_does_not_vote_does_not_begin_a_cluster(storage: Storage) -> None:
    driver = make_driver(Journal(), storage)
    await driver.start()

    with pytest.raises(MembershipRefused, match="in which it is a voter"):
        await driver.bootstrap(sole_configuration(OTHER_ID, ADDRESS))
    assert await driver.bootstrap(ALONE)
    assert not await driver.bootstrap(ALONE)

    await driver.stop()


async def test_without_a_cluster_there_is_no_leader(storage: Storage) -> None:
    driver = make_driver(Journal(), storage)
    await driver.start()

    with pytest.raises(NoLeader):
        driver.submit(b"a", lambda *_: None)
    with pytest.raises(NoLeader):
        await driver.barrier()
    with pytest.raises(NoLeader):
        await driver.read_index()

    await driver.stop()


async def test_fresh_start_is_quick_with_full_sized_segments(tmp_path: Path) -> None:
    driver = make_driver(Journal(), DurableStorage(tmp_path, SERVER_ID))
    before_s = time.monotonic()
    await driver.start(ALONE)
    took_s = time.monotonic() - before_s
    await driver.stop()

    assert took_s < 0.3
