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
        self.create_text = '{"Id": "e1"}'
        self.start_status = self.inspect_status = 200
        self.asked = []

    async def create(self, request):
        self.asked.append((request.match_info["container"], await request.json()))
        if self.create_status != 201:
            return web.Response(status=self.create_status, text="some output")
        return web.Response(text=self.create_text, status=201)

    async def start(self, request):
        assert await request.json() == {"Detach": False, "Tty": True}
        if self.output is None:
            await asyncio.sleep(30)
        return web.Response(body=self.output, status=self.start_status)

    async def inspect(self, _request):
        answer = {"ExitCode": self.exit_code, "Running": False}
        return web.json_response(answer, status=self.inspect_status)


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


@pytest.mark.parametrize(
    ("attribute", "value", "output"),
    [
        ("create_text", "nonsense", "create exec response for container c1 cannot be parsed: "),
        ("start_status", 409, "start exec failed for container c1 with status 409: fine"),
        ("inspect_status", 500, "inspect exec failed for container c1 with status 500: "),
        ("exit_code", None, "inspect exec for container c1: no exit code yet"),
    ],
)
async def test_failure_of_any_call_is_critical_and_named(engine, attribute, value, output):
    setattr(engine, attribute, value)

    outcome = await probe(engine.host)

    assert outcome.status == CRITICAL
    assert outcome.output.startswith(output)


async def test_flood_of_output_is_given_up(engine, monkeypatch):
    monkeypatch.setattr("agent.checks.docker.OUTPUT_READ_BYTES_MAX", 1000)
    engine.output = b"x" * 5000

    outcome = await probe(engine.host)

    assert (outcome.status, outcome.output) == (CRITICAL, "Stopped after 1000 bytes of output")


async def test_answers_are_bounded(engine, monkeypatch):
    monkeypatch.setattr("agent.checks.docker.ANSWER_BYTES_MAX", 3)
    engine.create_status = 500

    outcome = await probe(engine.host)

    assert outcome.output == "create exec failed for container c1 with status 500: som"
