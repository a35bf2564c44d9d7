"""What the bytes of a head say, and the answers kept as bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.http import fast
from agent.http.encode import Rendered
from agent.http.fast import Answers, Blocks, Headers, read_block, to_bytes


def test_headers_are_found_without_regard_to_case():
    headers = Headers([("X-Consul-Token", "t")])

    assert headers["x-consul-token"] == headers.get("X-CONSUL-TOKEN") == "t"
    assert headers.get("Accept") == ""
    assert "X-consul-TOKEN".lower() in headers
    assert (list(headers), len(headers)) == (["x-consul-token"], 1)


def test_a_plain_block_suits():
    block = read_block(b"Host: a\r\nContent-Length: 12\r\nAccept-Encoding: gzip, br")

    assert (block.suits, block.body_bytes, block.variant) == (True, 12, b"gzip")


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"Accept: */*",
        b"Host: a\r\nHost: b",
        b"Host: a\r\nno colon",
        b"Host: a\r\n folded: b",
        b"Host: a\r\nConnection: close",
        b"Host: a\r\nContent-Length: -1",
        b"Host: a\r\nContent-Length: \xb2",
        b"Host: a\r\nContent-Length: 9999999999999999",
        b"Host: a\r\nContent-Length: 1\r\nContent-Length: 1",
        b"Host: a\r\nTransfer-Encoding: chunked",
        b"Host: a\r\nExpect: 100-continue",
        b"Host: a\r\nUpgrade: websocket",
        b"Host: a\r\nContent-Encoding: gzip",
        b"Host: a\r\nX: a\nY: b",
        b"Host: a\r\nX: a\rb",
        b"Host: a\r\nX: a\0b",
        b"Host: a\r\nX : a",
    ],
)
def test_a_block_that_is_odd_in_any_way_does_not_suit(block):
    assert (read_block(block).suits, read_block(block).body_bytes) == (False, 0)


@given(st.binary(max_size=200))
def test_any_block_can_be_read(block):
    assert read_block(block).body_bytes >= 0


def test_blocks_are_read_once_and_their_number_is_bounded(monkeypatch):
    monkeypatch.setattr(fast, "BLOCKS_MAX", 3)
    blocks = Blocks()
    first = blocks.read(b"Host: 0")
    assert blocks.read(b"Host: 0") is first

    for number in range(10):
        blocks.read(b"Host: %d" % number)
        assert len(blocks._known) <= 3


def test_a_large_block_is_not_remembered():
    blocks = Blocks()

    assert blocks.read(b"Host: a\r\nX: " + b"a" * fast.BLOCK_BYTES_MAX).suits
    assert blocks._known == {}


class Watched:
    """Watches as the store has them."""

    def __init__(self) -> None:
        self.waiting: list[tuple[tuple, object]] = []

    def add(self, keys, wake_up) -> None:
        self.waiting.append((tuple(keys), wake_up))

    def remove(self, keys, wake_up) -> None:
        if (tuple(keys), wake_up) in self.waiting:
            self.waiting.remove((tuple(keys), wake_up))

    def change(self, key) -> None:
        for keys, wake_up in list(self.waiting):
            if key in keys:
                wake_up()


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def answers(watched) -> Answers:
    return Answers(watched.add, watched.remove)


def test_an_answer_is_kept_until_what_it_depends_on_changes(watched, answers):
    answers.keep(b"/a", b"one", ["row"])
    assert answers.get(b"/a") == b"one"

    watched.change("row")

    assert answers.get(b"/a") is None
    assert (watched.waiting, answers._bytes) == ([], 0)


def test_an_answer_that_depends_on_nothing_known_is_not_kept(answers):
    answers.keep(b"/a", b"one", [])

    assert answers.get(b"/a") is None


def test_the_first_answer_to_a_target_stays(watched, answers):
    answers.keep(b"/a", b"one", ["row"])
    answers.keep(b"/a", b"two", ["row"])

    assert (answers.get(b"/a"), len(watched.waiting)) == (b"one", 1)


def test_the_oldest_answers_make_room(monkeypatch, watched, answers):
    monkeypatch.setattr(fast, "ANSWERS_MAX", 2)
    for name in (b"/a", b"/b", b"/c"):
        answers.keep(name, b"x", [name])

    assert [answers.get(name) for name in (b"/a", b"/b", b"/c")] == [None, b"x", b"x"]
    assert len(watched.waiting) == 2


def test_kept_bytes_are_bounded(monkeypatch, watched, answers):
    monkeypatch.setattr(fast, "ANSWERS_BYTES_MAX", 10)
    answers.keep(b"/a", b"123456", ["a"])
    answers.keep(b"/b", b"123456", ["b"])
    answers.keep(b"/c", b"12345678901", ["c"])

    assert (answers._bytes, watched.waiting) == (0, [])


def test_a_long_target_is_not_kept(answers):
    answers.keep(b"/" * (fast.TARGET_BYTES_MAX + 1), b"x", ["row"])

    assert answers._bytes == 0


def test_clear_forgets_all_with_their_watches(watched, answers):
    answers.keep(b"/a", b"x", ["a"])
    answers.keep(b"/b", b"x", ["b"])

    answers.clear()

    assert (answers._bytes, watched.waiting) == (0, [])


def test_an_answer_on_the_wire_has_its_reason_and_length():
    rendered = Rendered(409, [("Content-Type", "text/plain")], b"body")

    assert to_bytes(rendered) == (
        b"HTTP/1.1 409 Conflict\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nbody"
    )
