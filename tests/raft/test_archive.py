"""The archive, whole and damaged; the tar module is the second opinion on the format."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raft import archive as module
from raft.archive import read_archive, write_archive
from raft.entries import SnapshotMeta, sole_configuration
from raft.errors import BadArchive
from tests.raft.machines import ADDRESS, SERVER_ID

STATE = b"the state" * 500
Members = dict[str, bytes]


def meta(state: bytes) -> SnapshotMeta:
    return SnapshotMeta(
        id="2-7-1700000000000",
        index=7,
        term=2,
        configuration=sole_configuration(SERVER_ID, ADDRESS),
        configuration_index=1,
        size_bytes=len(state),
    )


def packed(state: bytes = STATE) -> bytes:
    with write_archive(meta(state), io.BytesIO(state)) as file:
        return file.read()


def members_of(archive: bytes) -> Members:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def repacked(members: Members, kind: bytes = tarfile.REGTYPE) -> bytes:
    """The members as a tar without the record padding of the tar module."""
    plain = io.BytesIO()
    for name, content in members.items():
        header = tarfile.TarInfo(name)
        header.size, header.type = len(content), kind
        plain.write(header.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512))
    return gzip.compress(plain.getvalue() + bytes(1024))


def with_sums(members: Members) -> Members:
    lines = [
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in members.items()
        if name != "SHA256SUMS"
    ]
    return {**members, "SHA256SUMS": "".join(lines).encode()}


@given(st.binary(max_size=2000))
def test_archive_survives_the_round_trip(state: bytes) -> None:
    archive = read_archive(packed(state))

    with archive.state:
        assert state == archive.state.read()
    assert meta(state) == msgspec.structs.replace(archive.meta, peers=None)


def test_archive_has_the_members_others_expect() -> None:
    archive = packed()

    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        listed = [(member.name, member.mode, member.mtime) for member in tar]
    members = members_of(archive)
    assert [(name, 0o600, 1_700_000_000) for name in module.MEMBER_NAMES] == listed
    assert members["state.bin"] == STATE
    assert members["SHA256SUMS"] == with_sums(members)["SHA256SUMS"]
    described = json.loads(members["meta.json"])
    assert {key: described[key] for key in ("Version", "ID", "Index", "Term")} == {
        "Version": 1,
        "ID": "2-7-1700000000000",
        "Index": 7,
        "Term": 2,
    }
    assert b"\x91\xae" + ADDRESS.encode() == base64.b64decode(described["Peers"])


def test_nothing_follows_the_closing_blocks() -> None:
    """Consul refuses an archive with bytes behind the two zero blocks."""
    plain = gzip.decompress(packed())

    assert bytes(1024) == plain[-1024:]
    assert bytes(1536) != plain[-1536:]


def test_members_may_come_in_any_order() -> None:
    members = members_of(packed())

    archive = read_archive(repacked({name: members[name] for name in sorted(members)}))

    with archive.state:
        assert archive.state.read() == STATE


def described(members: Members, **changes: object) -> Members:
    content = json.dumps({**json.loads(members["meta.json"]), **changes}).encode()
    return with_sums({**members, "meta.json": content})


def without(members: Members, name: str) -> Members:
    return {key: content for key, content in members.items() if key != name}


DAMAGES: dict[str, tuple[Callable[[Members], Members], str]] = {
    "no state": (lambda m: without(m, "state.bin"), "no state.bin"),
    "no sums": (lambda m: without(m, "SHA256SUMS"), "no SHA256SUMS"),
    "state changed": (lambda m: {**m, "state.bin": b"x" + STATE[1:]}, "SHA-256 of state.bin"),
    "meta changed": (lambda m: {**m, "meta.json": m["meta.json"] + b" "}, "SHA-256 of meta.json"),
    "sum missing": (
        lambda m: {**m, "SHA256SUMS": m["SHA256SUMS"].splitlines(keepends=True)[0]},
        "SHA-256 of state.bin",
    ),
    "sums are noise": (lambda m: {**m, "SHA256SUMS": b"\xff\n"}, "SHA256SUMS has a line"),
    "stranger": (lambda m: {**m, "../passwd": b""}, "unexpected member '../passwd'"),
    "meta is no json": (lambda m: with_sums({**m, "meta.json": b"{"}), "meta.json is not valid"),
    "wrong type": (lambda m: described(m, Index="7"), r"meta.json is not valid.*\$.Index"),
    "wrong version": (lambda m: described(m, Version=2), "must have Version 1"),
    "index 0": (lambda m: described(m, Index=0), "positive Index"),
    "wrong size": (lambda m: described(m, Size=3), "says 3 bytes of state, but state.bin has 4500"),
    "huge sums": (lambda m: {**m, "SHA256SUMS": bytes(2**20 + 1)}, "SHA256SUMS has 1048577 bytes"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_archive_is_refused_with_the_reason(name: str) -> None:
    damage, reason = DAMAGES[name]

    with pytest.raises(BadArchive, match=reason):
        read_archive(repacked(damage(members_of(packed()))))


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (b"", "no meta.json|not a whole"),
        (b"not gzip", "not a whole gzip file"),
        (packed()[:-20], "not a whole gzip file"),
        (packed()[:40], "not a whole gzip file"),
        (gzip.compress(b"not tar" * 200), "not a whole tar file"),
        (gzip.compress(gzip.decompress(packed()) + b"more"), "bytes after the end"),
        (packed() + b"more", "not a whole gzip file"),
        (repacked(members_of(packed()), tarfile.SYMTYPE), "unexpected member"),
        (gzip.compress(gzip.decompress(packed())[:-1024] * 2), "twice"),
    ],
    ids=["empty", "text", "cut", "cut early", "no tar", "tail", "tail of gzip", "link", "twice"],
)
def test_what_is_no_archive_is_refused_with_the_reason(archive: bytes, reason: str) -> None:
    with pytest.raises(BadArchive, match=reason):
        read_archive(archive)


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNPACKED_BYTES_MAX", 1000)

    with pytest.raises(BadArchive, match="unpacks to more than 1000 bytes"):
        read_archive(gzip.compress(bytes(10_000_000)))


@given(st.integers(0, len(packed()) - 1), st.integers(1, 255))
def test_any_changed_byte_is_noticed_or_harmless(at: int, change: int) -> None:
    damaged = bytearray(packed())
    damaged[at] ^= change

    try:
        archive = read_archive(bytes(damaged))
    except BadArchive:
        return
    with archive.state:
        assert archive.state.read() == STATE
