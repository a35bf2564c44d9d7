"""Claims about values and documents that commands read."""

import io

import pytest

from agent.cli.failure import Failure
from agent.cli.input import document, document_from, text_or_source


def test_argument_is_itself_unless_it_names_a_source(tmp_path):
    (tmp_path / "f").write_bytes(b"\xff")

    assert text_or_source("a@b") == b"a@b"
    assert text_or_source(f"@{tmp_path / 'f'}") == b"\xff"
    assert text_or_source(b"\xfe".decode("utf-8", "surrogateescape")) == b"\xfe"


def test_a_document_comes_from_a_file_or_standard_input(tmp_path, monkeypatch):
    (tmp_path / "f").write_text('{"a": 1}')
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a =")))

    assert document_from(str(tmp_path / "f")) == {"a": 1}
    with pytest.raises(Failure, match=r"^Failed to parse standard input: "):
        document_from("-")


def test_json_and_hcl_give_the_same_object():
    expected = {"a": {"b": [1, "x"]}}

    assert expected == document(b'{"a": {"b": [1, "x"]}}', "f")
    assert expected == document(b'a { b = [1, "x"] }', "f")


@pytest.mark.parametrize("raw", [b"{", b"[]", b"a = ", b"\xff", b"a = b = c"])
def test_what_is_no_object_is_refused_with_the_files_name(raw):
    with pytest.raises(Failure, match=r"^Failed to parse x\.hcl: "):
        document(raw, "x.hcl")
