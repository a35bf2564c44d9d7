"""Docker check: runs the command inside a container through the Docker Engine API.

Three calls: create an exec, start it and drain its output, read its exit code. The command runs
as given; ``shell`` served a former single-string form of commands and has no part in it.
Source: Docker Engine API, Exec (https://docs.docker.com/reference/api/engine/).
"""

import asyncio
from typing import Final, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from agent.checks.definition import CheckType
from agent.checks.outcome import Outcome, by_exit_code, critical
from agent.checks.output import Tail, head
from agent.checks.settings import COMMAND_TIMEOUT_NS, timeout_ns
from catalog.duration import SECOND, format_duration
from catalog.rows.check import CRITICAL

ANSWER_BYTES_MAX: Final = 64 << 10  # of the JSON answers, which have about 1 KiB
OUTPUT_READ_BYTES_MAX: Final = 64 << 20  # a command that floods its output is given up here


T = TypeVar("T")


class _DockerError(Exception):
    """The engine did not do it; ``str()`` is the output of the check."""


class _Created(msgspec.Struct, rename="pascal"):
    id: str


class _Inspected(msgspec.Struct, rename="pascal"):
    exit_code: int | None = None


class DockerProbe:
    """Runs the definition's command in its container."""

    def __init__(self, definition: CheckType, docker_host: str, output_bytes: int) -> None:
        self._container = definition.docker_container_id
        self._arguments = definition.script_args
        self._docker_host = docker_host
        self._output_bytes = output_bytes
        self._timeout_ns = timeout_ns(definition, COMMAND_TIMEOUT_NS)

    async def run(self) -> Outcome:
        """The judged exit code with the tail of the output, or critical with the failed call."""
        try:
            async with asyncio.timeout(self._timeout_ns / SECOND), self._session() as session:
                return await self._execute(session)
        except TimeoutError:
            text = f"Timed out ({format_duration(self._timeout_ns)}) running check"
            return Outcome(CRITICAL, text, at_once=True)
        except _DockerError as error:
            return critical(head(str(error), self._output_bytes))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            text = f"create exec failed for container {self._container}: {error}"
            return critical(head(text, self._output_bytes))

    def _session(self) -> aiohttp.ClientSession:
        """A session with the engine. Raises _DockerError if the host is in no known form."""
        scheme, separator, place = self._docker_host.partition("://")
        connector: aiohttp.BaseConnector
        match scheme:
            case "unix" if separator:
                connector, base = aiohttp.UnixConnector(place, force_close=True), "http://docker"
            case "tcp" | "http" if separator:
                connector, base = aiohttp.TCPConnector(force_close=True), f"http://{place}"
            case _:
                raise _DockerError(
                    f'invalid Docker host "{self._docker_host}", '
                    "want unix:///path or tcp://host:port"
                )
        return aiohttp.ClientSession(base, connector=connector, auto_decompress=False)

    async def _execute(self, session: aiohttp.ClientSession) -> Outcome:
        exec_id = await self._create(session)
        tail = await self._start(session, exec_id)
        exit_code = await self._exit_code(session, exec_id)
        return by_exit_code(exit_code, tail.text())

    async def _create(self, session: aiohttp.ClientSession) -> str:
        body = {"AttachStdout": True, "AttachStderr": True, "Cmd": self._arguments}
        path = f"/containers/{quote(self._container, safe='')}/exec"
        async with session.post(path, json=body) as answer:
            content = await _content(answer)
            match answer.status:
                case 201:
                    return _decode(content, _Created, self._container).id
                case 404:
                    text = f"create exec failed for unknown container {self._container}"
                case 409:
                    text = (
                        f"create exec failed since container {self._container} is paused or stopped"
                    )
                case status:
                    text = (
                        f"create exec failed for container {self._container} "
                        f"with status {status}: {content.decode('utf-8', 'replace')}"
                    )
        raise _DockerError(text)

    async def _start(self, session: aiohttp.ClientSession, exec_id: str) -> Tail:
        # With a terminal the output is the plain stream, without frames to take apart.
        body = {"Detach": False, "Tty": True}
        async with session.post(f"/exec/{quote(exec_id, safe='')}/start", json=body) as answer:
            if answer.status != 200:
                content = (await _content(answer)).decode("utf-8", "replace")
                raise _DockerError(
                    f"start exec failed for container {self._container} "
                    f"with status {answer.status}: {content}"
                )
            return await self._drain(answer)

    async def _drain(self, answer: aiohttp.ClientResponse) -> Tail:
        tail = Tail(self._output_bytes)
        try:
            async for chunk in answer.content.iter_any():
                tail.write(chunk)
                if tail.written_bytes > OUTPUT_READ_BYTES_MAX:
                    raise _DockerError(f"Stopped after {OUTPUT_READ_BYTES_MAX} bytes of output")
        except aiohttp.ClientError:
            # The engine may reset the connection at the end; the exit code decides.
            return tail
        return tail

    async def _exit_code(self, session: aiohttp.ClientSession, exec_id: str) -> int:
        async with session.get(f"/exec/{quote(exec_id, safe='')}/json") as answer:
            content = await _content(answer)
            if answer.status != 200:
                text = content.decode("utf-8", "replace")
                raise _DockerError(
                    f"inspect exec failed for container {self._container} "
                    f"with status {answer.status}: {text}"
                )
        exit_code = _decode(content, _Inspected, self._container).exit_code
        if exit_code is None:
            raise _DockerError(f"inspect exec for container {self._container}: no exit code yet")
        return exit_code


async def _content(answer: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in answer.content.iter_any():
        content += chunk
        if len(content) > ANSWER_BYTES_MAX:
            break
    return bytes(content[:ANSWER_BYTES_MAX])


def _decode(content: bytes, kind: type[T], container: str) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise _DockerError(
            f"create exec response for container {container} cannot be parsed: {error}"
        ) from None
