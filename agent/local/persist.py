"""Registrations on disk, so that those made over the API survive a restart of the agent.

    data_dir/services/<sha256 of the ID>      checks/<sha256>      checks/state/<sha256>

One JSON file a registration, in Consul's own layout, mode 0600, replaced as a whole. A file that
cannot be read is logged and left out: it never stops the agent.
"""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import structlog

from agent.checks.ttl import TtlState
from agent.http.decode import DecodeFault, decode_value, parse_json
from agent.local.definitions import CheckDefinition
from agent.local.state import REMOTE, LocalCheck, LocalService
from catalog.rows.check import HealthCheck
from catalog.rows.service import NodeService
from catalog.schema import Row
from catalog.shape import to_json

FILE_BYTES_MAX: Final = 1 << 20  # a registration is a few KiB; more is no registration
_FILE_MODE: Final = 0o600  # tokens are in there
_FOLDER_MODE: Final = 0o700
_TEMPORARY: Final = ".tmp"

R = TypeVar("R", bound=Row)

_log = structlog.get_logger("agent.local")


class PersistedService(Row, frozen=True, kw_only=True):
    """The content of a service's file."""

    token: str = ""
    service: NodeService = NodeService()
    source: str = REMOTE
    locally_registered_as_sidecar: bool = False


class PersistedCheck(Row, frozen=True, kw_only=True):
    """The content of a check's file; without ``chk_type`` nothing runs the check."""

    check: HealthCheck = HealthCheck()
    chk_type: CheckDefinition | None = None
    token: str = ""
    source: str = REMOTE


class PersistedTtl(Row, frozen=True, kw_only=True):
    """The content of a TTL state's file; ``expires`` is in seconds since the Unix epoch."""

    check_id: str = ""
    status: str = ""
    output: str = ""
    expires: float = 0.0


class LocalFiles:
    """The files of one data directory; without one nothing is kept.

    Writing raises OSError, reading does not.
    """

    def __init__(self, data_dir: Path | None) -> None:
        self._services = data_dir / "services" if data_dir else None
        self._checks = data_dir / "checks" if data_dir else None
        self._ttl_states = data_dir / "checks" / "state" if data_dir else None

    def write_service(self, entry: LocalService) -> None:
        """Keep a service."""
        content = PersistedService(
            token=entry.token,
            service=entry.service,
            source=entry.source,
            locally_registered_as_sidecar=entry.is_sidecar,
        )
        _write(self._services, entry.service.id, content)

    def write_check(self, entry: LocalCheck) -> None:
        """Keep a check."""
        content = PersistedCheck(
            check=entry.check,
            chk_type=CheckDefinition.of(entry.definition) if entry.definition else None,
            token=entry.token,
            source=entry.source,
        )
        _write(self._checks, entry.check.check_id, content)

    def write_ttl(self, state: TtlState) -> None:
        """Keep what a service last said about its TTL check."""
        content = PersistedTtl(
            check_id=state.check_id,
            status=state.status,
            output=state.output,
            expires=state.expires,
        )
        # Said again within the TTL anyway: not worth waiting for the disk.
        _write(self._ttl_states, state.check_id, content, is_durable=False)

    def remove_service(self, service_id: str) -> None:
        """Forget a service."""
        _remove(self._services, service_id)

    def remove_check_definition(self, check_id: str) -> None:
        """Forget a check that the configuration defines now, but not what was said about it."""
        _remove(self._checks, check_id)

    def remove_check(self, check_id: str) -> None:
        """Forget a check and its TTL state."""
        self.remove_check_definition(check_id)
        _remove(self._ttl_states, check_id)

    def services(self) -> Iterator[LocalService]:
        """Every readable service."""
        for content in _read_all(self._services, PersistedService):
            if content.service.id:
                yield LocalService(
                    service=content.service,
                    token=content.token,
                    is_sidecar=content.locally_registered_as_sidecar,
                )

    def checks(self) -> Iterator[LocalCheck]:
        """Every readable check."""
        for content in _read_all(self._checks, PersistedCheck):
            if content.check.check_id:
                definition = content.chk_type.check_type() if content.chk_type else None
                yield LocalCheck(
                    check=content.check,
                    definition=definition
                    and msgspec.structs.replace(
                        definition,
                        check_id=content.check.check_id,
                        service_id=content.check.service_id,
                    ),
                    token=content.token,
                )

    def ttl_state(self, check_id: str, *, wall_s: float) -> TtlState | None:
        """What was last said about a TTL check, unless its span has ended."""
        if self._ttl_states is None:
            return None
        content = _read(self._ttl_states / _file_name(check_id), PersistedTtl)
        if content is None or content.check_id != check_id or content.expires <= wall_s:
            return None
        return TtlState(
            check_id=check_id,
            status=content.status,
            output=content.output,
            expires=content.expires,
        )


def _file_name(row_id: str) -> str:
    return sha256(row_id.encode()).hexdigest()


def _write(folder: Path | None, row_id: str, content: Row, *, is_durable: bool = True) -> None:
    if folder is None:
        return
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    path = folder / _file_name(row_id)
    temporary = path.with_suffix(_TEMPORARY)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(to_json(content)))
        if is_durable:
            file.flush()
            os.fsync(file.fileno())
    temporary.replace(path)


def _remove(folder: Path | None, row_id: str) -> None:
    if folder is not None:
        (folder / _file_name(row_id)).unlink(missing_ok=True)


def _read_all(folder: Path | None, row_type: type[R]) -> Iterator[R]:
    if folder is None or not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            continue
        if path.suffix == _TEMPORARY:
            # A write that a crash cut short; the file that it was to replace still stands.
            _log.warning("ignoring an unfinished file", path=str(path))
            continue
        content = _read(path, row_type)
        if content is not None:
            yield content


def _read(path: Path, row_type: type[R]) -> R | None:
    try:
        with path.open("rb") as file:
            body = file.read(FILE_BYTES_MAX + 1)
        if len(body) > FILE_BYTES_MAX:
            message = f"larger than {FILE_BYTES_MAX} bytes"
            raise DecodeFault(message)
        return decode_value(parse_json(body), row_type, strict=False)
    except FileNotFoundError:
        return None
    except (OSError, DecodeFault) as error:
        _log.warning("ignoring an unreadable file", path=str(path), error=str(error))
        return None
