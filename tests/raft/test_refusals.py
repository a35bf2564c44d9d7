import pytest

from raft.core.types import Refusal, Refused
from raft.errors import NotLeader, RaftError
from raft.refusals import refusal_error


@pytest.mark.parametrize("reason", Refusal)
def test_every_reason_has_an_error(reason: Refusal) -> None:
    error = refusal_error(Refused(reason, "a"), lambda server_id: f"{server_id}:8300")

    assert isinstance(error, RaftError)
    assert str(error)


def test_who_is_not_the_leader_names_it() -> None:
    error = refusal_error(Refused(Refusal.NOT_LEADER, "a"), {"a": "10.0.0.1:8300"}.__getitem__)

    assert isinstance(error, NotLeader)
    assert (error.leader_id, error.leader_address) == ("a", "10.0.0.1:8300")
