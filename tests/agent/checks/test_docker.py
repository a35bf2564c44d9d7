import asyncio

import pytest
from aiohttp import web

from agent.checks.definition import CheckType
from agent.checks.docker import DockerProbe
from catalog.rows.check import CRITICAL, PASSING, WARNING


class Engine:
    """A Docker Engine with one container ``c1``; ``exit_code`` and ``output`` as set."""

    def __init__(self):
        self.exit_code = 0
        self.output = b"fine\r\n"
        self.create_status = 201
        self.asked = []

    async def create(self, request):
        self.asked.append((request.match_info["container"], await request.json()))
        if self.create_status != 201:
            return web.Response(status=self.create_status, text="some output")
        return web.json_response({"Id": "e1"}, status=201)

    async def start(self, request):
        assert await request.json() == {"Detach": False, "Tty": True}
        if self.output is None:
            await asyncio.sleep(30)
        return web.Response(body=self.output)

    async def inspect(self, _request):
        return web.json_response({"ExitCode": self.exit_code, "Running": False})


@pytest.fixture
async def engine(tmp_path):
    engine = Engine()
    app = web.Application()
    app.router.add_post("/containers/{container}/exec", engine.create)
    app.router.add_post("/exec/e1/start", engine.start)
    app.router.add_get("/exec/e1/json", engine.inspect)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "docker.sock")).start()
    engine.host = f"unix://{tmp_path}/docker.sock"
    yield engine
    await runner.cleanup()


async def probe(host, output_bytes=4096, **fields):
    definition = CheckType(docker_container_id="c1", script_args=("check", "-x"), **fields)
    return await DockerProbe(definition, host, output_bytes).run()


@pytest.mark.parametrize(("code", "expected"), [(0, PASSING), (1, WARNING), (7, CRITICAL)])
async def test_exit_code_in_the_container_decides(engine, code, expected):
    engine.exit_code = code

    outcome = await probe(engine.host)

    assert (outcome.status, outcome.output) == (expected, "fine\r\n")
    container, body = engine.asked[0]
    assert container == "c1"
    assert body["Cmd"] == ["check", "-x"]


@pytest.mark.parametrize(
    ("status", "output"),
    [
        (404, "create exec failed for unknown container c1"),
        (409, "create exec failed since container c1 is paused or stopped"),
        (500, "create exec failed for container c1 with status 500: some output"),
    ],
)
async def test_refused_exec_is_critical_in_consuls_words(engine, status, output):
    engine.create_status = status

    outcome = await probe(engine.host)

    assert (outcome.status, outcome.output) == (CRITICAL, output)


async def test_long_binary_output_keeps_its_tail_as_text(engine):
    engine.output = b"x" * 100 + b"\xffend"

    outcome = await probe(engine.host, output_bytes=5)

    assert outcome.output == "Captured 5 of 104 bytes\n...\nx\ufffdend"


async def test_timeout_is_critical_at_once(engine):
    engine.output = None

    outcome = await probe(engine.host, timeout_ns=50_000_000)

    assert outcome.at_once
    assert (outcome.status, outcome.output) == (CRITICAL, "Timed out (50ms) running check")


@pytest.mark.parametrize("host", ["unix:///no/such.sock", "tcp://127.0.0.1:1"])
async def test_absent_engine_is_critical_and_named(host):
    outcome = await probe(host)

    assert outcome.status == CRITICAL
    assert outcome.output.startswith("create exec failed for container c1: ")


async def test_unknown_form_of_host_is_told():
    outcome = await probe("npipe")

    assert outcome.output == ('invalid Docker host "npipe", want unix:///path or tcp://host:port')
