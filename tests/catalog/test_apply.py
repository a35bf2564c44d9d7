from typing import get_args

import pytest

from catalog import apply as apply_module
from catalog.commands import (
    AnyCommand,
    AutopilotPut,
    CoordinateUpdate,
    Deregister,
    KvOperation,
    QueryDelete,
    SessionDestroy,
    TombstonesReap,
    Transaction,
)
from catalog.errors import Conflict, Invalid
from catalog.rows.system import AutopilotConfiguration
from catalog.tables import TOMBSTONES
from catalog.transactions import TxnRefused
from catalog.watch import index_key
from catalog.writes.tx import LockDelayed, SessionBegan, SessionEnded
from tests.catalog.replica import Replica, contents


def test_each_command_has_its_handler() -> None:
    assert set(get_args(AnyCommand)) == set(apply_module._HANDLERS)


@pytest.mark.parametrize(
    ("command", "result"),
    [
        (KvOperation(verb="set", key="k"), True),
        (KvOperation(verb="cas", key="k", index=5), False),
        (Transaction(operations=()), ()),
        (Deregister(node="nobody"), True),
        (SessionDestroy(id="nobody"), True),
        (CoordinateUpdate(coordinates=()), True),
        (AutopilotPut(configuration=AutopilotConfiguration()), True),
        (TombstonesReap(index=1), None),
    ],
)
def test_result_is_the_commands_value(
    replica: Replica, command: AnyCommand, result: object
) -> None:
    assert result == replica.apply(command)


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (KvOperation(verb="explode", key="k"), Invalid),
        (QueryDelete(id="nobody"), Conflict),
        (Transaction(operations=(KvOperation(verb="get", key="none"),)), TxnRefused),
    ],
)
def test_refusal_is_a_result_and_changes_nothing(
    replica: Replica, command: AnyCommand, refusal: type[Exception]
) -> None:
    replica.put("k")
    before = contents(replica.store)

    result = replica.apply(command)

    assert isinstance(result, refusal)
    assert before == contents(replica.store)


def test_refused_command_wakes_nobody_and_sets_nothing_off(replica: Replica) -> None:
    replica.register("n")
    replica.begin("s")
    replica.effects.clear()
    woken: list[int] = []
    replica.store.watches.add(
        [("kvs", "k"), index_key("kvs"), index_key("sessions")], lambda: woken.append(1)
    )

    replica.apply(
        Transaction(
            operations=(
                KvOperation(verb="lock", key="k", session="s"),
                KvOperation(verb="get", key="none"),
            )
        )
    )

    assert woken == []
    assert replica.effects == []


def test_effects_are_told_after_the_command_is_complete(replica: Replica) -> None:
    replica.register("n")
    replica.begin("s", ttl="10s", lock_delay=5)
    replica.kv("lock", "k", session="s")

    replica.do(SessionDestroy(id="s"))

    assert [
        SessionBegan("s", "10s"),
        SessionEnded("s"),
        LockDelayed("k", 5),
    ] == replica.effects


def test_tombstones_are_reaped_through_the_log(replica: Replica) -> None:
    replica.put("k")
    replica.kv("delete", "k")

    replica.do(TombstonesReap(index=replica.index))

    assert replica.store.all(TOMBSTONES) == []
