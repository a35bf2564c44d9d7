import math

import pytest

from raft.core.types import Role
from raft.entries import Configuration
from raft.errors import Stopped
from raft.storage import MemoryStorage
from tests.raft.machines import ADDRESS, ALONE, SERVER_ID, Journal, make_driver


async def test_before_the_start_there_is_nothing_to_see() -> None:
    driver = make_driver(Journal(), MemoryStorage())

    assert (driver.last_index, driver.commit_index, driver.applied_index, driver.term) == (0,) * 4
    assert (driver.leader_id, driver.leader_address, driver.cluster_id) == ("", "", b"")
    assert (driver.is_leader, driver.role, driver.epoch) == (False, Role.FOLLOWER, 0)
    assert driver.configuration == Configuration()
    assert driver.last_contact_s == math.inf
    assert not driver.has_applied_since_boot
    assert not driver.can_read_now()
    assert driver.peer_status(SERVER_ID) is None
    assert driver.peer_contact_s(SERVER_ID) is None
    with pytest.raises(Stopped):
        driver.submit(b"a", lambda *_: None)


async def test_a_lone_server_leads_and_may_always_read() -> None:
    driver = make_driver(Journal(), MemoryStorage())
    await driver.start(ALONE)

    assert (driver.leader_id, driver.leader_address) == (SERVER_ID, ADDRESS)
    assert (driver.is_leader, driver.role, driver.epoch) == (True, Role.LEADER, 1)
    assert driver.last_contact_s == 0.0
    assert driver.last_term == driver.term
    assert driver.has_applied_since_boot
    assert driver.can_read_now()
    assert len(driver.cluster_id) == 16
    await driver.stop()
