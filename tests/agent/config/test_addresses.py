import pytest

from agent.config.addresses import AddressBook, Listen, listeners, overlap
from agent.config.sockaddr import Interface
from agent.config.tree import Block, ConfigError


def book(**values):
    return AddressBook(values, Block(), [Interface("eth0", "10.0.0.9")])


@pytest.mark.parametrize(
    ("listen", "text"),
    [
        (Listen("tcp", "127.0.0.1", 8500), "tcp://127.0.0.1:8500"),
        (Listen("udp", "::1", 8600), "udp://[::1]:8600"),
        (Listen("unix", "/run/x", 0), "unix:///run/x"),
    ],
)
def test_listener_is_shown_as_a_url(listen, text):
    assert text == str(listen)


def test_many_addresses_are_split_and_cleaned():
    found = book(client_addr="127.0.0.1 [::1] {{ GetPrivateIP }} unix:///x").many(
        "client_addr", unix=True
    )

    assert found == ("127.0.0.1", "::1", "10.0.0.9", "unix:///x")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1.1.1.1 2.2.2.2", "a: must be one address, not 1.1.1.1 2.2.2.2"),
        ("host", 'a: must be an IP address, not "host"'),
        ("unix:///x", "a: cannot be a Unix socket"),
        ("{{ GetPublicIP }}", "found no address"),
        ("{{ Nope }}", "unknown source"),
    ],
)
def test_one_address_is_one_ip(text, reason):
    with pytest.raises(ConfigError) as caught:
        book(a=text).one("a")

    assert reason in str(caught.value)


def test_door_without_port_listens_nowhere():
    assert listeners("tcp", ["127.0.0.1", "unix:///x"], -1) == ()
    assert (Listen("tcp", "::1", 1), Listen("unix", "/x", 0)) == listeners(
        "tcp", ["::1", "unix:///x"], 1
    )


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Listen("tcp", "127.0.0.1", 1), Listen("tcp", "127.0.0.1", 1), True),
        (Listen("tcp", "0.0.0.0", 1), Listen("tcp", "127.0.0.1", 1), True),
        (Listen("tcp", "127.0.0.2", 1), Listen("tcp", "127.0.0.1", 1), False),
        (Listen("tcp", "127.0.0.1", 1), Listen("tcp", "127.0.0.1", 2), False),
        (Listen("tcp", "::1", 1), Listen("tcp", "0.0.0.0", 1), False),
        (Listen("unix", "/a", 0), Listen("unix", "/b", 0), False),
    ],
)
def test_places_overlap_when_both_cannot_be_bound(one, other, expected):
    assert expected == overlap(one, other)
