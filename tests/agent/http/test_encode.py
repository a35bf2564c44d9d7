"""Answers to bytes."""

import gzip

import msgspec

from agent.http.call import Answer
from agent.http.encode import GZIP_BYTES_MIN, GZIP_QUICK_BYTES_MIN, json_bytes, render
from catalog.rows.kv import KeyValue

COMMON = [("Vary", "Accept-Encoding")]


def rendered(answer: Answer, *, pretty: bool = False, gzip: bool = False):
    status, headers, body = render(answer, COMMON, pretty=pretty, gzip=gzip)
    return status, dict(headers), body


def test_json_is_compact_and_has_its_type():
    assert rendered(Answer(json={"a": [1, None]})) == (
        200,
        {"Vary": "Accept-Encoding", "Content-Type": "application/json"},
        b'{"a":[1,null]}',
    )


def test_pretty_json_is_indented_and_ends_its_line():
    assert json_bytes({"a": [1]}, pretty=True) == b'{\n    "a": [\n        1\n    ]\n}\n'


def test_rows_are_shown_under_their_names():
    row = KeyValue(key="k", value=b"v", create_index=1, modify_index=2)

    assert msgspec.json.decode(json_bytes([row], pretty=False)) == [
        {
            "LockIndex": 0,
            "Key": "k",
            "Flags": 0,
            "Value": "dg==",
            "CreateIndex": 1,
            "ModifyIndex": 2,
        }
    ]


def test_null_is_an_answer():
    assert rendered(Answer(json=None))[2] == b"null"


def test_text_is_plain_utf_8():
    status, headers, body = rendered(Answer(status=400, text="ä"))

    assert (status, body) == (400, "ä".encode())
    assert headers["Content-Type"] == "text/plain; charset=utf-8"


def test_an_empty_answer_has_no_type():
    assert "Content-Type" not in rendered(Answer())[1]
    assert "Content-Type" not in rendered(Answer(text=""))[1]


def test_bytes_go_out_as_they_are():
    answer = Answer(body=b"\0", content_type="text/plain", headers={"X-A": "b"})

    assert rendered(answer) == (
        200,
        {"Vary": "Accept-Encoding", "X-A": "b", "Content-Type": "text/plain"},
        b"\0",
    )


def test_a_body_is_compressed_from_1400_bytes_on():
    assert GZIP_BYTES_MIN == 1400
    _, headers, body = rendered(Answer(body=b"a" * 1399), gzip=True)
    assert ("Content-Encoding" in headers, len(body)) == (False, 1399)

    _, headers, body = rendered(Answer(body=b"a" * 1400), gzip=True)
    assert (headers["Content-Encoding"], gzip.decompress(body)) == ("gzip", b"a" * 1400)
    assert "Content-Encoding" not in rendered(Answer(body=b"a" * 1400))[1]


def test_a_large_body_survives_quick_compression():
    large = bytes(range(256)) * (GZIP_QUICK_BYTES_MIN // 256 + 1)

    assert gzip.decompress(rendered(Answer(body=large), gzip=True)[2]) == large


def test_a_header_of_a_users_text_can_neither_break_the_line_nor_the_encoding():
    answer = Answer(headers={"X-Consul-Reason": "a\r\nb: c \u00e4\u2028"})

    headers = dict(render(answer, [], pretty=False, gzip=False).headers)

    assert headers["X-Consul-Reason"] == "a%0D%0Ab: c %C3%A4%E2%80%A8"
