"""A whole agent in this process: real store, log in memory, router and HTTP doors on port 0."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from agent.compose import Agent
from agent.config import RuntimeConfig, load, parse_flags
from agent.config.addresses import Listen
from agent.http.settings import HttpSettings
from agent.telemetry.logs import LogHub

LOOPBACK = "127.0.0.1"
ANY_PORT = Listen("tcp", LOOPBACK, 0)
WAIT_S = 5.0  # far longer than anything here takes; a hang ends as a failure


def make_config(*flags: str) -> RuntimeConfig:
    """The configuration of a -dev agent."""
    argv = ["-dev", "-node=node-a", "-datacenter=dc1", *flags]
    return on_any_ports(load(parse_flags(argv), interfaces=(), hostname="node-a"))


def on_any_ports(config: RuntimeConfig) -> RuntimeConfig:
    """The same configuration, but other agents are met on ports that the kernel chooses."""
    return msgspec.structs.replace(
        config,
        rpc_addr=ANY_PORT,
        serf_lan_addr=ANY_PORT,
        serf_lan_advertise=ANY_PORT,
        serf_wan_addr=ANY_PORT,
        serf_wan_advertise=ANY_PORT,
    )


def make_agent(config: RuntimeConfig | None = None) -> Agent:
    """An agent that nothing has started yet."""

    async def reload() -> None:
        raise AssertionError("nobody asked for a reload")

    def fatal(cause: BaseException) -> None:
        raise AssertionError("the log failed") from cause

    return Agent(
        config or make_config(),
        data_directory=None,
        log_hub=LogHub("ERROR", ()),
        on_leave=lambda: None,
        on_reload=reload,
        on_fatal=fatal,
    )


class Raw:
    """A client's connection: bytes as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Write bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> "Answered":
        """The next answer, whole."""
        async with asyncio.timeout(WAIT_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            pairs = [line.partition(": ") for line in lines[1:] if line]
            headers = {name.lower(): value for name, _, value in pairs}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answered(int(lines[0].split()[1]), headers, body)

    async def ask(self, request: bytes) -> "Answered":
        """Write a request and read its answer."""
        await self.send(request)
        return await self.answer()

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        async with asyncio.timeout(WAIT_S):
            return await self.reader.read()

    def close(self) -> None:
        """End the connection."""
        self.writer.close()


class Answered(msgspec.Struct, frozen=True):
    """An answer; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return msgspec.json.decode(self.body)


class House:
    """A running agent with one HTTP door."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self._raws: list[Raw] = []

    @property
    def port(self) -> int:
        """Where HTTP listens."""
        port: int = self.agent.http._servers[0].sockets[0].getsockname()[1]
        return port

    @property
    def shared(self) -> Any:
        """What the door's connections share."""
        return self.agent.http.shared

    async def connect(self, port: int | None = None, **options: Any) -> Raw:
        """A new connection."""
        streams = await asyncio.open_connection(LOOPBACK, port or self.port, **options)
        return self.keep(Raw(*streams))

    def keep(self, raw: Raw) -> Raw:
        """Close a connection at the end of the test."""
        self._raws.append(raw)
        return raw

    async def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answered:
        """One request on a connection of its own."""
        raw = await self.connect()
        answered = await raw.ask(request(method, target, body, **headers))
        raw.close()
        return answered

    def change_settings(self, **changes: Any) -> None:
        """Other HTTP settings from now on."""
        settings: HttpSettings = msgspec.structs.replace(self.agent.front.settings, **changes)
        self.agent.front.apply_settings(settings)
        self.agent.http.settings_changed()

    async def close(self) -> None:
        """Stop in the agent's own order."""
        for raw in self._raws:
            raw.close()
        await self.agent.http.close()
        self.agent.runner.stop_all()
        await self.agent.server.stop()
        await self.agent.membership.shutdown()
        await self.agent.tasks.close()


def request(method: str, target: str, body: bytes = b"", **headers: str) -> bytes:
    """A request's bytes; ``X_Name`` gives the header ``X-Name``."""
    fields = {"Host": "agent"} | {name.replace("_", "-"): text for name, text in headers.items()}
    if body or method in {"PUT", "POST"}:
        fields.setdefault("Content-Length", str(len(body)))
    lines = "".join(f"{name}: {text}\r\n" for name, text in fields.items())
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def until(probe: Callable[[], Any], timeout_s: float = WAIT_S) -> None:
    """Give way to others until the probe holds."""
    async with asyncio.timeout(timeout_s):
        while not probe():  # noqa: ASYNC110 - what is looked at has no event
            await asyncio.sleep(0.001)


async def within(work: Awaitable[Any], timeout_s: float = WAIT_S) -> Any:
    """The work's result, or TimeoutError."""
    async with asyncio.timeout(timeout_s):
        return await work


@asynccontextmanager
async def open_house(*flags: str) -> AsyncIterator[House]:
    """A running agent; stopped at the end."""
    house = House(make_agent(make_config(*flags)))
    await house.agent.membership.start()
    await house.agent.server.start_log()
    await house.agent.http.listen([ANY_PORT])
    try:
        yield house
    finally:
        await house.close()
