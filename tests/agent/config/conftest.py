import pytest

from agent.config import Interface, load, parse_flags

HOST = (Interface("lo", "127.0.0.1"), Interface("eth0", "10.0.0.9"))


@pytest.fixture
def start():
    """Load a configuration from flags, on a host with one private address."""

    def from_flags(*argv, interfaces=HOST, hostname="host-a"):
        return load(parse_flags(argv), interfaces=interfaces, hostname=hostname)

    return from_flags
