import ssl

import pytest

from agent.checks.dial import DialError, Target, TlsUse, dial, parse_target, reason, tls_reason
from tests.agent.checks.loopback import silent, stream_server


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:1", Target("a", 1)),
        ("[::1]:80", Target("::1", 80)),
        (":80", Target("localhost", 80)),
    ],
)
def test_target_is_host_and_port(text, expected):
    assert expected == parse_target(text)


@pytest.mark.parametrize("text", ["a", "::1:80", "a:", "a:x", "a:65536", "[::1]", ""])
def test_malformed_target_is_refused_with_its_text(text):
    with pytest.raises(DialError, match="dial tcp: address"):
        parse_target(text)


def test_target_is_written_with_brackets_around_ipv6():
    assert str(Target("::1", 80)) == "[::1]:80"
    assert str(Target("127.0.0.1", 80)) == "127.0.0.1:80"


async def test_unknown_host_is_named():
    with pytest.raises(DialError, match=r"lookup no-such-host\.invalid"):
        await dial("no-such-host.invalid:80", timeout_s=5)


async def test_handshake_with_a_plain_server_fails_with_a_reason():
    async def chatter(_reader, writer):
        writer.write(b"hello\r\n")
        writer.close()

    context = ssl.create_default_context()
    async with stream_server(chatter) as address:
        with pytest.raises(DialError, match="tls: "):
            await dial(address, timeout_s=5, tls=TlsUse(context, "x"))


async def test_silent_server_ends_the_handshake_at_the_timeout():
    async with stream_server(silent) as address:
        with pytest.raises(DialError, match="i/o timeout"):
            await dial(address, timeout_s=0.05, tls=TlsUse(ssl.create_default_context()))


def test_reason_is_the_systems_text_without_its_number():
    assert reason(ConnectionRefusedError(111, "Connect call failed")) == "connection refused"
    assert reason(ValueError()) == "ValueError"
    assert tls_reason(ssl.SSLError(1, "WRONG_VERSION_NUMBER")) == "wrong version number"
