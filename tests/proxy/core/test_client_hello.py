"""Tests of proxy/core/client_hello.py. Source: RFC 8446 section 4.1.2; hellos of OpenSSL."""

import ssl
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.client_hello import (
    HELLO_BYTES_MAX,
    BadHelloError,
    ClientHello,
    parse_client_hello,
)

ALL_OF = 2**14  # the largest record


def openssl_hello(
    server_name: str | None, alpn: tuple[str, ...] = (), tls12: bool = False
) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if tls12:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if alpn:
        context.set_alpn_protocols(list(alpn))
    sent = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=server_name)
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return sent.read()


def fragmented(hello: bytes, size: int) -> bytes:
    """The same message in records of ``size`` bytes."""
    content = hello[5:]
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in parts)


@pytest.mark.parametrize("tls12", [False, True], ids=["TLS 1.3", "TLS 1.2"])
def test_name_and_protocols_of_a_real_hello_are_read(tls12: bool) -> None:
    hello = openssl_hello("Web.Default.DC1.internal.td.consul", ("h2", "http/1.1"), tls12)

    expected = ClientHello("web.default.dc1.internal.td.consul", ("h2", "http/1.1"))
    assert expected == parse_client_hello(hello)


def test_hello_without_name_and_protocols_has_none() -> None:
    assert ClientHello() == parse_client_hello(openssl_hello(None))


def test_hello_without_extensions_is_one() -> None:
    content = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00"
    message = b"\x01" + len(content).to_bytes(3, "big") + content

    assert ClientHello() == parse_client_hello(
        b"\x16\x03\x01\x00" + bytes([len(message)]) + message
    )


def test_what_follows_the_hello_is_left_alone() -> None:
    assert ClientHello("a.b") == parse_client_hello(openssl_hello("a.b") + b"\x14\x03\x03junk")


@given(st.integers(0, 600))
def test_each_part_of_a_hello_needs_more(cut: int) -> None:
    hello = openssl_hello("web.internal", ("h2",))

    assert parse_client_hello(hello[: min(cut, len(hello) - 1)]) is None


@given(st.integers(8, ALL_OF))
def test_hello_in_many_records_is_put_together(size: int) -> None:
    hello = fragmented(openssl_hello("web.internal", ("h2",)), size)

    assert ClientHello("web.internal", ("h2",)) == parse_client_hello(hello)


def test_hello_in_too_many_records_is_refused() -> None:
    with pytest.raises(BadHelloError, match="bad-hello"):
        parse_client_hello(fragmented(openssl_hello("web.internal"), 1))


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n", b"\x00", b"\x16\x02", b"PRI * HTTP/2.0"])
def test_another_protocol_is_no_hello(sent: bytes) -> None:
    with pytest.raises(BadHelloError, match="not-tls"):
        parse_client_hello(sent)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x00\x00",  # an empty record
        b"\x16\x03\x01\x40\x01",  # a record beyond the limit
        b"\x16\x03\x01\x00\x01\x02",  # a ServerHello
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",  # a length beyond the limit
        b"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03",  # it ends within its random
    ],
)
def test_broken_hello_is_refused(sent: bytes) -> None:
    with pytest.raises(BadHelloError, match="bad-hello"):
        parse_client_hello(sent)


def test_repeated_extension_is_refused() -> None:
    extension = b"\x00\x10\x00\x05\x00\x03\x02h2"
    extensions = extension * 2
    content = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00"
    content += len(extensions).to_bytes(2, "big") + extensions
    message = b"\x01" + len(content).to_bytes(3, "big") + content

    with pytest.raises(BadHelloError, match="bad-hello"):
        parse_client_hello(b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_hello_or_a_refusal(sent: bytes) -> None:
    for start in (b"", b"\x16\x03\x01\x00\x80\x01\x00\x00\x7c"):
        with suppress(BadHelloError):
            parse_client_hello(start + sent)


@given(st.integers(5, 500), st.integers(0, 255))
def test_any_changed_byte_gives_a_hello_or_a_refusal(at: int, value: int) -> None:
    hello = bytearray(openssl_hello("web.internal", ("h2",)))
    hello[min(at, len(hello) - 1)] = value

    with suppress(BadHelloError):
        parse_client_hello(bytes(hello))


def test_more_than_the_limit_is_never_needed() -> None:
    start = b"\x16\x03\x01\x40\x00\x01\x00\x3e\x00"
    record = start + bytes(2**14 - 4)

    assert parse_client_hello(record[:100]) is None
    with pytest.raises(BadHelloError, match="bad-hello"):
        parse_client_hello(record[:HELLO_BYTES_MAX])
