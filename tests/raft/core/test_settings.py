import pytest

from raft.core.settings import Settings


@pytest.mark.parametrize(
    ("election_timeout_s", "heartbeat_interval_s"), [(0.5, 0.05), (1.0, 0.1), (5.0, 0.1)]
)
def test_heartbeats_are_a_tenth_of_the_timeout_but_never_rarer_than_100_ms(
    election_timeout_s: float, heartbeat_interval_s: float
) -> None:
    assert (
        heartbeat_interval_s == Settings(election_timeout_s=election_timeout_s).heartbeat_interval_s
    )


def test_a_lease_ends_before_any_follower_may_vote_for_another() -> None:
    settings = Settings(election_timeout_s=2.0)

    assert settings.lease_s < settings.lease_timeout_s < settings.election_timeout_s


def test_a_time_that_is_given_is_kept() -> None:
    assert 0.25 == Settings(lease_timeout_s=0.25).lease_timeout_s
