from raft.core.outbox import Outbox
from raft.core.types import Outgoing, TimeoutNow, VoteAnswer

GRANT = VoteAnswer(1, granted=True)


def test_a_promise_waits_until_its_write_is_durable() -> None:
    outbox = Outbox("a")
    outbox.hold("b", GRANT, 2)
    outbox.send("b", TimeoutNow(1))

    outbox.release(1)
    assert [Outgoing("b", TimeoutNow(1))] == outbox.take()

    outbox.release(2)
    assert [Outgoing("b", GRANT)] == outbox.take()
    assert [] == outbox.take()


def test_the_own_vote_comes_back_when_it_is_durable() -> None:
    outbox = Outbox("a")
    outbox.hold("a", GRANT, 1)

    assert [GRANT] == outbox.release(1)
    assert [] == outbox.take()


def test_promises_of_an_earlier_term_are_forgotten() -> None:
    outbox = Outbox("a")
    outbox.hold("b", GRANT, 1)

    outbox.forget_held()
    outbox.release(1)

    assert [] == outbox.take()
