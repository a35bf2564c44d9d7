from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.http1_body import SIZE_LINE_BYTES_MAX, ChunkedBody, chunk_of, last_chunk
from proxy.core.http1_head import HeadError


def body() -> ChunkedBody:
    return ChunkedBody(trailer_bytes_max=200, trailer_count_max=3)


def test_chunks_are_joined_and_what_follows_is_left():
    read = body()
    assert b"hello world" == read.feed(b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\nGET /")
    assert read.is_complete
    assert b"GET /" == read.rest
    assert [] == read.trailers


def test_trailers_are_read():
    read = body()
    text = b"1\r\na\r\n0\r\nX-Sum: 1\r\nContent-Length: 7\r\n\r\n"
    assert b"a" == read.feed(text)
    assert [(b"X-Sum", b"1")] == read.trailers


@given(
    contents=st.lists(st.binary(min_size=1, max_size=40), max_size=5),
    cuts=st.lists(st.integers(0, 300), max_size=8),
)
def test_it_does_not_matter_where_the_connection_cuts(contents: list[bytes], cuts: list[int]):
    text = b"".join(map(chunk_of, contents)) + last_chunk([(b"X", b"y")]) + b"rest"
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    read = body()
    got = b""
    rest = b""
    for start, end in pairwise(edges):
        if read.is_complete:
            rest += text[start:end]
        else:
            got += read.feed(text[start:end])
            rest = read.rest
    assert b"".join(contents) == got
    assert read.is_complete
    assert [(b"X", b"y")] == read.trailers
    assert b"rest" == rest


@pytest.mark.parametrize(
    "text",
    [
        b"x\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b"1_0\r\n",
        b"\r\n",
        b" 1\r\n",
        b"1 \r\n",
        b";a=b\r\n",
        b"1\na\r\n",
        b"1;\x00\r\n",
        b"1\r\nab",
        b"1\r\na\n0\r\n",
        b"1\r\na\n",
        b"1" * 16 + b"\r\n",
        b"1;" + b"a" * SIZE_LINE_BYTES_MAX,
        b"1;" + b"a" * SIZE_LINE_BYTES_MAX + b"\r\n",
        b"0\r\nX : a\r\n\r\n",
        b"0\r\nX: a\n\r\n\r\n",
        b"0\r\nX: " + b"a" * 300,
        b"0\r\nX: " + b"a" * 300 + b"\r\n\r\n",
        b"0\r\nA: a\r\nB: b\r\nC: c\r\nD: d\r\n\r\n",
    ],
)
def test_chunks_that_two_servers_could_read_in_two_ways_are_refused(text: bytes):
    with pytest.raises(HeadError):
        body().feed(text)


def test_the_last_chunk_has_the_trailers():
    assert b"0\r\n\r\n" == last_chunk([])
    assert b"0\r\nX: y\r\n\r\n" == last_chunk([(b"X", b"y")])
