from catalog.commands import AutopilotPut
from catalog.rows.system import AutopilotConfiguration
from catalog.tables import AUTOPILOT
from tests.catalog.replica import Replica


def put(replica: Replica, cas_index: int | None = None, **fields: int) -> bool:
    configuration = AutopilotConfiguration(**fields)
    return replica.do(AutopilotPut(configuration=configuration, cas_index=cas_index))


def test_configuration_is_stored_with_its_indexes(replica: Replica) -> None:
    assert put(replica, min_quorum=3)
    assert put(replica, min_quorum=5)

    stored = replica.store.get(AUTOPILOT, "")
    assert stored is not None
    assert (stored.min_quorum, stored.create_index, stored.modify_index) == (5, 1, 2)
    assert replica.store.last_index("autopilot-config") == 2


def test_configuration_with_cas_is_stored_only_at_the_current_index(replica: Replica) -> None:
    assert not put(replica, cas_index=9)
    assert put(replica, cas_index=0)
    assert not put(replica, cas_index=0)
    assert put(replica, cas_index=2)
