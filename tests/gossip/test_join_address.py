import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.inputs import JoinTarget
from gossip.core.types import Address
from gossip.errors import GossipError
from gossip.join_address import JoinAddress, parse, resolve

LOOPBACK = bytes((127, 0, 0, 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", JoinAddress("", "10.0.0.1", 8301)),
        ("10.0.0.1:7946", JoinAddress("", "10.0.0.1", 7946)),
        ("web/10.0.0.1:7946", JoinAddress("web", "10.0.0.1", 7946)),
        ("web.dc1/db.internal", JoinAddress("web.dc1", "db.internal", 8301)),
        ("::1", JoinAddress("", "::1", 8301)),
        ("[::1]", JoinAddress("", "::1", 8301)),
        ("a/[fe80::1]:9", JoinAddress("a", "fe80::1", 9)),
        (" host ", JoinAddress("", "host", 8301)),
    ],
)
def test_address_is_read_in_every_form(text: str, expected: JoinAddress) -> None:
    assert expected == parse(text, 8301)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no host"),
        ("web/", "has no host"),
        (":8301", "has no host"),
        ("host:0", "port must be 1 to 65535, got '0'"),
        ("host:65536", "port must be"),
        ("host:http", "port must be"),
        ("[::1]:", "port must be"),
        ("host:²", "port must be"),
    ],
)
def test_unreadable_address_is_named_with_its_fault(text: str, reason: str) -> None:
    with pytest.raises(GossipError, match=reason):
        parse(text, 8301)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read = parse(text, 8301)
    except GossipError:
        return
    assert read.host
    assert 0 < read.port <= 65535


async def test_literal_address_needs_no_look_up() -> None:
    assert [JoinTarget(Address(LOOPBACK, 9), "a")] == await resolve("a/127.0.0.1:9", 1)
    assert [JoinTarget(Address(LOOPBACK, 1))] == await resolve("::ffff:127.0.0.1", 1)


async def test_name_gives_each_of_its_addresses_once() -> None:
    targets = await resolve("localhost", 8301)

    assert Address(LOOPBACK, 8301) in [target.address for target in targets]
    assert len(targets) == len(set(targets))


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 300])
async def test_unknown_name_is_told(host: str) -> None:
    with pytest.raises(GossipError, match="Failed to resolve"):
        await resolve(host, 8301)
