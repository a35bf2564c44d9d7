from typing_extensions import override

from proxy.exchange_attempt import Attempt, Trier
from proxy.exchange_body import ReplayBody
from proxy.http import Fault, Headers, RequestHead, ResponseHead
from proxy.http_pool import pool_of
from tests.proxy.http_world import World

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Tries(Trier):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    @override
    def attempt_sent(self) -> None:
        self.told.append("sent")

    @override
    def attempt_informational(self, head: ResponseHead) -> None:
        self.told.append(head.status)

    @override
    def attempt_answered(self, head: ResponseHead, *, end: bool) -> None:
        self.told.append((head.status, end))

    @override
    def attempt_body(self, chunk: bytes) -> None:
        self.told.append(chunk)

    @override
    def attempt_ended(self, trailers: Headers) -> None:
        self.told.append(trailers)

    @override
    def attempt_switched(self, head: ResponseHead) -> None:
        self.told.append("switched")

    @override
    def attempt_failed(self, fault: Fault, detail: str) -> None:
        self.told.append((fault, detail))

    @override
    def attempt_full(self) -> None:
        self.told.append("full")

    @override
    def attempt_drained(self) -> None:
        self.told.append("drained")


def make(*, body: bytes = b"") -> tuple[World, Tries, Attempt]:
    world, tries = World(), Tries()
    choice = world.web.choose()
    assert choice is not None
    world.web.begin(choice)
    head = RequestHead(
        method=b"PUT",
        scheme=b"http",
        authority=b"web",
        target=b"/",
        headers=[],
        has_body=bool(body),
    )
    kept = ReplayBody(is_complete=True)
    if body:
        kept.add(body)
    return world, tries, Attempt(tries, pool_of(world.web, world), choice, head, kept)


def test_what_was_kept_is_sent_and_the_answer_handed_on():
    world, tries, attempt = make(body=b"ab")
    attempt.begin(fresh=False)
    assert attempt.request is None
    world.advance()
    assert world.instance().written.endswith(b"2\r\nab\r\n0\r\n\r\n")
    assert attempt.bytes_sent == len(world.instance().written) - len(b"2\r\n\r\n0\r\n\r\n")
    world.answer(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)
    assert ["sent", 103, (200, False), b"hi", []] == tries.told
    assert ([("n0/web", False)], 0) == (world.web.finished, world.web.active)


def test_the_cluster_is_told_of_the_end_once():
    for end in ("cancel", "lose", "refuse"):
        world, _tries, attempt = make()
        world.web.refusing = {"n0/web"} if end == "refuse" else set()
        attempt.begin(fresh=False)
        world.advance()
        if end == "lose":
            world.instance().lose()
        attempt.cancel(Fault.CLIENT, failed=False)
        attempt.cancel(Fault.CLIENT, failed=False)
        assert [("n0/web", end == "lose")] == world.web.finished


def test_one_that_waits_can_be_cancelled():
    world, tries, attempt = make()
    attempt.begin(fresh=False)
    attempt.cancel(Fault.TIMEOUT, failed=False)
    world.advance()
    assert ([], b"") == (tries.told, world.instance().written)


def test_a_fresh_one_uses_no_kept_connection():
    world, _, first = make()
    first.begin(fresh=False)
    world.advance()
    world.answer(OK)
    choice = world.web.choose()
    assert choice is not None
    for fresh, wires in ((True, 2), (False, 2)):
        world.web.begin(choice)
        head = RequestHead(method=b"GET", scheme=b"http", authority=b"", target=b"/", headers=[])
        pool = pool_of(world.web, world)
        again = Attempt(Tries(), pool, choice, head, ReplayBody(is_complete=True))
        again.begin(fresh=fresh)
        world.advance()
        assert wires == len(world.web.wires)


def test_a_bad_status_counts_against_the_instance():
    world, _, attempt = make()
    attempt.begin(fresh=False)
    world.advance()
    world.answer(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
    assert [("n0/web", True)] == world.web.finished
