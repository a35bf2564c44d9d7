"""The snapshot archive that operators save and restore: gzip of a tar of three files.

``meta.json`` (what the snapshot covers), ``state.bin`` (the state machine's bytes) and
``SHA256SUMS`` (lines of ``<hex>  <name>`` for the first two), mode 0600, in this order when
written, in any order when read. Nothing may follow the tar's two closing zero blocks: readers of
this format refuse that, so the usual padding to 10 KiB records is left out.
Source: the layout of Consul's ``/v1/snapshot`` answers.
"""

import gzip
import hashlib
import io
import tarfile
import tempfile
import zlib
from typing import IO, Final, NamedTuple

import msgpack
import msgspec

from raft.entries import SnapshotMeta
from raft.errors import BadArchive
from raft.snapshots import CHUNK_BYTES, read_chunks

META_NAME: Final = "meta.json"
STATE_NAME: Final = "state.bin"
SUMS_NAME: Final = "SHA256SUMS"
MEMBER_NAMES: Final = (META_NAME, STATE_NAME, SUMS_NAME)

UNPACKED_BYTES_MAX: Final = 8 * 1024**3  # a few hundred bytes of gzip must not fill the disk
SMALL_MEMBER_BYTES_MAX: Final = 1024 * 1024  # meta.json and SHA256SUMS are read whole
MEMORY_BYTES_MAX: Final = 16 * 1024 * 1024  # larger archives live in a temporary file
COMPRESSION_LEVEL: Final = 6  # gzip's usual trade of time for size

_BLOCK_BYTES: Final = tarfile.BLOCKSIZE  # a member starts at a multiple of it
_END: Final = bytes(2 * _BLOCK_BYTES)


class Archive(NamedTuple):
    """A verified archive; ``state`` stands at its start and is closed by the caller."""

    meta: SnapshotMeta
    state: IO[bytes]


def write_archive(meta: SnapshotMeta, state: IO[bytes]) -> IO[bytes]:
    """Pack a snapshot into a temporary file, returned at its start; the caller closes it."""
    addresses = [server.address.encode() for server in meta.configuration.servers]
    legacy_peers = msgpack.packb(addresses, use_bin_type=False)
    meta_json = msgspec.json.encode(msgspec.structs.replace(meta, peers=legacy_peers)) + b"\n"
    made_at_s = int(meta.id.rsplit("-", 1)[1]) // 1000
    state_digest = hashlib.sha256()
    packed = tempfile.SpooledTemporaryFile(MEMORY_BYTES_MAX)  # noqa: SIM115 - handed to the caller
    with gzip.GzipFile(
        filename="", mode="wb", compresslevel=COMPRESSION_LEVEL, fileobj=packed, mtime=made_at_s
    ) as out:
        _write_small(out, META_NAME, meta_json, made_at_s)
        out.write(_tar_header(STATE_NAME, meta.size_bytes, made_at_s))
        for chunk in read_chunks(state):
            state_digest.update(chunk)
            out.write(chunk)
        out.write(bytes(-meta.size_bytes % _BLOCK_BYTES))
        meta_hex = hashlib.sha256(meta_json).hexdigest()
        sums = f"{meta_hex}  {META_NAME}\n{state_digest.hexdigest()}  {STATE_NAME}\n"
        _write_small(out, SUMS_NAME, sums.encode(), made_at_s)
        out.write(_END)
    packed.seek(0)
    return packed


def _write_small(out: gzip.GzipFile, name: str, content: bytes, made_at_s: int) -> None:
    out.write(_tar_header(name, len(content), made_at_s))
    out.write(content + bytes(-len(content) % _BLOCK_BYTES))


def _tar_header(name: str, size_bytes: int, made_at_s: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size_bytes, 0o600, made_at_s
    return member.tobuf(tarfile.GNU_FORMAT)


def read_archive(packed: bytes) -> Archive:
    """Unpack and verify everything; raises ``BadArchive`` saying what is wrong."""
    with _unpack(packed) as plain:
        members, end = _read_members(plain)
        for name in MEMBER_NAMES:
            if name not in members:
                message = f"the archive has no {name}"
                raise BadArchive(message)
        plain.seek(end)
        if plain.read(len(_END) + 1) not in (b"", _END):
            message = "there are bytes after the end of the archive"
            raise BadArchive(message)
        meta_json = _read_small(plain, members[META_NAME])
        sums = _parse_sums(_read_small(plain, members[SUMS_NAME]))
        _check_sum(META_NAME, hashlib.sha256(meta_json).hexdigest(), sums)
        meta = _parse_meta(meta_json)
        state = _copy_state(plain, members[STATE_NAME], sums)
    if meta.size_bytes != members[STATE_NAME].size:
        state.close()
        message = f"{META_NAME} says {meta.size_bytes} bytes of state, but {STATE_NAME} has "
        message += str(members[STATE_NAME].size)
        raise BadArchive(message)
    return Archive(meta, state)


def _unpack(packed: bytes) -> IO[bytes]:
    plain = tempfile.SpooledTemporaryFile(MEMORY_BYTES_MAX)  # noqa: SIM115 - handed to the caller
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as source:
            while chunk := source.read(CHUNK_BYTES):
                plain.write(chunk)
                if plain.tell() > UNPACKED_BYTES_MAX:
                    message = f"the archive unpacks to more than {UNPACKED_BYTES_MAX} bytes"
                    raise BadArchive(message)
    except (OSError, EOFError, zlib.error) as error:
        plain.close()
        message = f"the archive is not a whole gzip file: {error}"
        raise BadArchive(message) from error
    except BadArchive:
        plain.close()
        raise
    plain.seek(0)
    return plain


def _read_members(plain: IO[bytes]) -> tuple[dict[str, tarfile.TarInfo], int]:
    """The members by name, and the offset at which the closing blocks start."""
    members: dict[str, tarfile.TarInfo] = {}
    end = 0
    try:
        with tarfile.open(fileobj=plain, mode="r:") as tar:
            for member in tar:
                if member.name not in MEMBER_NAMES or not member.isreg():
                    message = f"the archive has an unexpected member {member.name!r}"
                    raise BadArchive(message)
                if member.name in members:
                    message = f"the archive has {member.name} twice"
                    raise BadArchive(message)
                members[member.name] = member
                end = member.offset_data + -(-member.size // _BLOCK_BYTES) * _BLOCK_BYTES
    except (tarfile.TarError, OSError) as error:
        message = f"the archive is not a whole tar file: {error}"
        raise BadArchive(message) from error
    return members, end


def _read_small(plain: IO[bytes], member: tarfile.TarInfo) -> bytes:
    if member.size > SMALL_MEMBER_BYTES_MAX:
        message = f"{member.name} has {member.size} bytes, more than {SMALL_MEMBER_BYTES_MAX}"
        raise BadArchive(message)
    plain.seek(member.offset_data)
    return plain.read(member.size)


def _parse_meta(content: bytes) -> SnapshotMeta:
    try:
        meta = msgspec.json.decode(content, type=SnapshotMeta)
    except msgspec.DecodeError as error:
        message = f"{META_NAME} is not valid: {error}"
        raise BadArchive(message) from error
    if meta.version != 1 or meta.index < 1 or meta.term < 1:
        message = f"{META_NAME} must have Version 1 and a positive Index and Term"
        raise BadArchive(message)
    return meta


def _parse_sums(content: bytes) -> dict[str, str]:
    sums: dict[str, str] = {}
    for line in content.decode("utf-8", "replace").splitlines():
        digest, gap, name = line.partition("  ")
        if not gap or name not in MEMBER_NAMES:
            message = f"{SUMS_NAME} has a line that is not '<sha256>  <name>': {line!r}"
            raise BadArchive(message)
        sums[name] = digest
    return sums


def _check_sum(name: str, digest: str, sums: dict[str, str]) -> None:
    if sums.get(name) != digest:
        message = f"the SHA-256 of {name} does not match {SUMS_NAME}"
        raise BadArchive(message)


def _copy_state(plain: IO[bytes], member: tarfile.TarInfo, sums: dict[str, str]) -> IO[bytes]:
    """The state as a file of its own, verified."""
    plain.seek(member.offset_data)
    state = tempfile.SpooledTemporaryFile(MEMORY_BYTES_MAX)  # noqa: SIM115 - handed to the caller
    digest = hashlib.sha256()
    left_bytes = member.size
    while chunk := plain.read(min(CHUNK_BYTES, left_bytes)):
        state.write(chunk)
        digest.update(chunk)
        left_bytes -= len(chunk)
    try:
        _check_sum(member.name, digest.hexdigest(), sums)
    except BadArchive:
        state.close()
        raise
    state.seek(0)
    return state
