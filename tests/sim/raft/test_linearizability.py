"""The judge of histories is right about known good and bad ones, and agrees with brute force."""

from itertools import permutations
from random import Random

from tests.sim.raft.linearizability import Kind, Operation, Verdict, judge, step


def op(call, returned, kind, **fields):
    return Operation(call=call, returned=returned, key="k", kind=kind, **fields)


def put(call, returned, value):
    return op(call, returned, Kind.PUT, argument=value)


def get(call, returned, value):
    return op(call, returned, Kind.GET, result=value)


def cas(call, returned, expected, value, *, done):
    return op(call, returned, Kind.CAS, expected=expected, argument=value, result=done)


def verdict(*history):
    return judge(history).get("k", Verdict.YES)


def test_empty_history_is_linearizable():
    assert {} == judge([])


def test_read_after_write_sees_it():
    assert Verdict.YES is verdict(put(1, 2, 7), get(3, 4, 7))
    assert Verdict.NO is verdict(put(1, 2, 7), get(3, 4, None))


def test_concurrent_read_may_see_either_value():
    assert Verdict.YES is verdict(put(1, 4, 7), get(2, 3, None))
    assert Verdict.YES is verdict(put(1, 4, 7), get(2, 3, 7))


def test_value_never_goes_back():
    assert Verdict.NO is verdict(put(1, 10, 7), get(2, 3, 7), get(4, 5, None))


def test_two_readers_must_agree_on_the_order_of_writes():
    writes = [put(1, 20, 1), put(2, 21, 2)]

    assert Verdict.YES is verdict(*writes, get(3, 4, 1), get(5, 6, 2))
    assert Verdict.NO is verdict(*writes, get(3, 4, 1), get(5, 6, 2), get(7, 8, 1))


def test_stale_read_of_a_deposed_leader_is_found():
    assert Verdict.NO is verdict(put(1, 2, 1), put(3, 4, 2), get(5, 6, 1))


def test_write_of_unknown_outcome_may_happen_late_or_never():
    assert Verdict.YES is verdict(put(1, None, 7), get(2, 3, None), get(4, 5, 7))
    assert Verdict.YES is verdict(put(1, None, 7), get(2, 3, None), get(4, 5, None))
    assert Verdict.NO is verdict(put(1, None, 7), get(2, 3, 7), get(4, 5, None))


def test_read_of_unknown_outcome_says_nothing():
    assert Verdict.YES is verdict(op(1, None, Kind.GET))


def test_two_exchanges_of_one_value_cannot_both_succeed():
    start = put(1, 2, 0)

    assert Verdict.YES is verdict(start, cas(3, 6, 0, 1, done=True), cas(4, 5, 0, 2, done=False))
    assert Verdict.NO is verdict(start, cas(3, 6, 0, 1, done=True), cas(4, 5, 0, 2, done=True))


def test_lost_acknowledged_write_is_found():
    assert Verdict.NO is verdict(put(1, 2, 1), op(3, 4, Kind.DELETE), get(5, 6, 1))
    assert Verdict.NO is verdict(put(1, 2, 1), cas(3, 4, 1, 2, done=False))


def test_keys_are_judged_alone():
    good = put(1, 2, 1)
    other = Operation(call=3, returned=4, key="other", kind=Kind.GET, result=5)

    assert {"k": Verdict.YES, "other": Verdict.NO} == judge([good, other])


def test_search_gives_up_at_its_limit():
    history = [put(i, None, i) for i in range(30)] + [get(100, 101, 99)]

    assert {"k": Verdict.UNKNOWN} == judge(history, steps_max=1000)


def test_agrees_with_trying_every_order():
    rng = Random(1)
    seen = set()
    for _ in range(400):
        history = random_history(rng)
        expected = by_brute_force(history)
        seen.add(expected)
        assert expected is (judge(history).get("k", Verdict.YES) is Verdict.YES), history
    assert {True, False} == seen


def random_history(rng):
    times = rng.sample(range(100), 10)
    history = []
    for call, returned in map(sorted, zip(times[::2], times[1::2], strict=True)):
        history.append(
            Operation(
                call=call,
                returned=returned if rng.random() < 0.8 else None,
                key="k",
                kind=rng.choice([Kind.GET, Kind.GET, Kind.PUT, Kind.CAS, Kind.DELETE]),
                argument=rng.randrange(2),
                expected=rng.choice([None, 0, 1]),
                result=rng.choice([None, 0, 1]),
            )
        )
    return [
        Operation(**{**fields(operation), "result": bool(operation.result)})
        if operation.kind is Kind.CAS
        else operation
        for operation in history
    ]


def fields(operation):
    return {name: getattr(operation, name) for name in operation.__struct_fields__}


def by_brute_force(history):
    known = [operation for operation in history if operation.returned is not None]
    unknown = [operation for operation in history if operation.returned is None]
    for choice in range(1 << len(unknown)):
        some = [operation for i, operation in enumerate(unknown) if choice >> i & 1]
        if any(is_possible(order) for order in permutations([*known, *some])):
            return True
    return False


def is_possible(order):
    state = None
    for i, operation in enumerate(order):
        if any(
            later.returned is not None and later.returned < operation.call for later in order[i:]
        ):
            return False
        if operation.kind is Kind.GET and operation.returned is None:
            continue
        possible, state = step(state, operation)
        if not possible:
            return False
    return True
