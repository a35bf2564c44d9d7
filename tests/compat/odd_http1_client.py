"""A client that sends any bytes to an HTTP/1 proxy, and says in one line what came of it."""

import socket
import time
from collections.abc import Callable
from typing import Final

import msgspec

from tests.compat.odd_http_backend import (
    PROBE_STATUS,
    Backend,
    Script,
    read_chunks,
    read_head,
)
from tests.compat.odd_http_proxies import Expected

WAIT_S: Final = 3.0  # for what must come
SILENCE_S: Final = 0.2  # without anything: nothing comes any more
PROBE: Final = b"GET /probe HTTP/1.1\r\nHost: web\r\n\r\n"
SILENT: Final = "silent"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes, and what must become of them; see `Expected` for ``heard`` and ``seen``.

    ``then`` is sent once an answer of any kind came; ``shuts``: the client ends its sending side;
    ``parts``: how many bytes it sends at once. ``has``, ``lacks``: parts of what the client hears,
    in lower case or as they are; ``gets``, ``gets_no``: of what the instance is sent. ``envoy``
    differs for the reason ``why``.
    """

    name: str
    sent: bytes
    heard: str
    seen: tuple[str, ...] = ()
    script: Script = Script()
    then: bytes = b""
    shuts: bool = False
    parts: int = 0
    has: tuple[bytes, ...] = ()
    lacks: tuple[bytes, ...] = ()
    gets: tuple[bytes, ...] = ()
    gets_no: tuple[bytes, ...] = ()
    envoy: Expected | None = None
    why: str = ""

    def expected(self, side: str) -> Expected:
        """What becomes of it at one of the proxies."""
        if side == "envoy" and self.envoy is not None:
            return self.envoy
        return Expected(self.heard, self.seen)


class Told(msgspec.Struct, frozen=True):
    """What became of it, and the bytes that the client heard."""

    outcome: Expected
    text: bytes


def converse(case: Case, heard: str, port: int, backend: Backend) -> Told:
    """Send a case's bytes; ``heard`` says how long to listen."""
    backend.begin(case.script)
    awaited = heard.split()[:-1]
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as sock:
        listener = Listener(sock, is_head=case.sent.startswith(b"HEAD"))
        _send(sock, case)
        if heard == SILENT:
            listener.listen(until=1, wait_s=SILENCE_S)
            ending = SILENT
        else:
            if case.then:
                listener.listen(until=1)
                sock.sendall(case.then)
            listener.listen(until=len(awaited))
            ending = _ending(sock, listener, case)
    probe(port)
    statuses = [each for each in listener.answers() if each != str(PROBE_STATUS)]
    text = listener.text.partition(b"HTTP/1.1 %d " % PROBE_STATUS)[0]
    return Told(Expected(" ".join([*statuses, ending]), tuple(backend.seen)), text)


def probe(port: int) -> None:
    """Ask on another connection: what was passed on before has reached the instance then."""
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as sock:
        listener = Listener(sock, is_head=False)
        sock.sendall(PROBE)
        listener.listen(until=1)
        assert [str(PROBE_STATUS)] == listener.answers()


def _send(sock: socket.socket, case: Case) -> None:
    step = case.parts or max(1, len(case.sent))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(0, len(case.sent), step):
        sock.sendall(case.sent[at : at + step])
    if case.shuts:
        sock.shutdown(socket.SHUT_WR)


def _ending(sock: socket.socket, listener: "Listener", case: Case) -> str:
    """Whether the connection serves another request."""
    if listener.is_tunnel:
        while not listener.is_over and not listener.text.endswith(case.then):
            listener.read(WAIT_S)
        return "echo"
    if not case.shuts and not listener.is_over:
        try:
            sock.sendall(PROBE)
        except OSError:
            listener.is_over = True
    while not listener.is_over:
        if listener.answers()[-1:] == [str(PROBE_STATUS)]:
            return "open"
        if not listener.read(SILENCE_S if case.shuts else WAIT_S):
            return "open" if case.shuts else "stuck"
    return "closed"


class Listener:
    """What comes over one connection."""

    def __init__(self, sock: socket.socket, *, is_head: bool) -> None:
        self._sock = sock
        self._is_head = is_head
        self.text = b""
        self.is_over = False

    @property
    def is_tunnel(self) -> bool:
        """Whether the protocol was switched."""
        return self.answers()[-1:] == ["101"]

    def read(self, wait_s: float) -> bool:
        """Take what comes next; false if nothing does."""
        self._sock.settimeout(max(0.001, wait_s))
        try:
            chunk = self._sock.recv(1 << 20)
        except TimeoutError:
            return False
        except OSError:
            chunk = b""
        self.text += chunk
        self.is_over = not chunk
        return True

    def listen(self, *, until: int, wait_s: float = WAIT_S) -> None:
        """Wait for so many answers, or the end."""
        deadline_s = time.monotonic() + wait_s
        while not self.is_over and self._count() < until:
            if not self.read(deadline_s - time.monotonic()):
                return

    def _count(self) -> int:
        return sum(not each.endswith("~") for each in self.answers())

    def answers(self) -> list[str]:
        """The statuses that came; with ``~`` while there is more of an answer to come."""
        found: list[str] = []
        rest = self.text
        while rest.startswith(b"HTTP/") and found[-1:] != ["101"]:
            text, mark, rest = rest.partition(b"\r\n\r\n")
            if not mark:
                break
            status = text.split(b" ")[1].decode()
            head = read_head(b"GET / HTTP/1.1\r\n" + text.partition(b"\r\n")[2])
            after = self._after_body(int(status), head.value, rest)
            found.append(status if after is not None else f"{status}~")
            rest = after or b""
        return found if not rest or found[-1:] == ["101"] else [*found, "garbage"]

    def _after_body(self, status: int, value: Callable[[str], str], rest: bytes) -> bytes | None:
        """What follows the body; None if it is not whole."""
        if status < 200 or status in {204, 304} or (self._is_head and status != PROBE_STATUS):
            return rest
        if value("transfer-encoding"):
            chunks = read_chunks(rest)
            return None if chunks is None else chunks[2]
        if not value("content-length"):
            return b"" if self.is_over else None
        length = int(value("content-length"))
        return rest[length:] if len(rest) >= length else None
