"""Claims about what the authority refuses."""

from agent.answers import told
from agent.connect.limits import RateLimited


def test_a_refusal_asks_to_try_again():
    assert str(RateLimited()) == "Rate limit reached, try again later"
    assert told(RateLimited()) is not None
