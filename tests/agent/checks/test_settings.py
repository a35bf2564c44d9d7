from agent.checks.definition import CheckType
from agent.checks.settings import COMMAND_TIMEOUT_NS, NETWORK_TIMEOUT_NS, timeout_ns

SECOND = 1_000_000_000


def test_timeout_is_that_of_the_check_if_it_has_one():
    assert timeout_ns(CheckType(timeout_ns=5), NETWORK_TIMEOUT_NS) == 5
    assert timeout_ns(CheckType(timeout_ns=-5), NETWORK_TIMEOUT_NS) == 10 * SECOND
    assert timeout_ns(CheckType(), COMMAND_TIMEOUT_NS) == 30 * SECOND
