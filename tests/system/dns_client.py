"""One DNS question over UDP or TCP, and its answer as bytes and as dnslib's record."""

import socket
import struct

from dnslib import EDNS0, QTYPE, DNSQuestion, DNSRecord

from tests.system.agent_process import LOOPBACK

# A local server answers in milliseconds; a busy machine may take longer.
ANSWER_WAIT_S = 3.0


def question(name: str, kind: str, *, edns: int | None = None, qclass: int = 1) -> bytes:
    """A query's wire form; `edns` is the advertised UDP size."""
    record = DNSRecord(q=DNSQuestion(name, getattr(QTYPE, kind), qclass))
    record.header.rd = 1
    if edns is not None:
        record.add_ar(EDNS0(udp_len=edns))
    return bytes(record.pack())


def exchange(port: int, query: bytes, *, tcp: bool = False) -> bytes:
    """The answer's bytes; TimeoutError if none comes."""
    if tcp:
        return exchange_tcp(port, query)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(ANSWER_WAIT_S)
        channel.sendto(query, (LOOPBACK, port))
        return channel.recv(65535)


def exchange_tcp(port: int, query: bytes) -> bytes:
    """One length-framed exchange. Source: RFC 1035 §4.2.2."""
    with socket.create_connection((LOOPBACK, port), ANSWER_WAIT_S) as channel:
        channel.sendall(struct.pack(">H", len(query)) + query)
        with channel.makefile("rb") as stream:
            (size,) = struct.unpack(">H", stream.read(2))
            return stream.read(size)


def ask(
    port: int, name: str, kind: str, *, edns: int | None = None, tcp: bool = False
) -> DNSRecord:
    """The parsed answer to one question."""
    return DNSRecord.parse(exchange(port, question(name, kind, edns=edns), tcp=tcp))


def records(answer: DNSRecord, kind: str) -> list[str]:
    """Data of the answer section's records of a type, as text."""
    wanted = getattr(QTYPE, kind)
    return [str(row.rdata) for row in answer.rr if row.rtype == wanted]
