"""Handlers of watches: commands, and what is said if an HTTP request cannot be made."""

from pathlib import Path

import pytest
import structlog

from agent.watches import handler as module
from agent.watches.definition import Http, Script
from agent.watches.handler import run_handler
from agent.watches.views import View

VIEW = View(42, b'{"a":1}\n')


def shell(script: str) -> Script:
    return Script(arguments=("/bin/sh", "-c", script))


async def logged(handler: Script | Http) -> list[str]:
    with structlog.testing.capture_logs() as entries:
        await run_handler(handler, VIEW)
    return [entry["event"] for entry in entries]


async def test_a_command_gets_the_view_and_its_index(tmp_path: Path):
    seen = tmp_path / "seen"

    events = await logged(shell(f'(cat; echo "$CONSUL_INDEX") > {seen}'))

    assert seen.read_text() == '{"a":1}\n42\n'
    assert events == ["watch handler ran"]


async def test_failures_of_a_command_are_told():
    assert await logged(shell("exit 3")) == ["watch handler failed"]
    assert await logged(Script(arguments=("no-such-command",))) == ["watch handler did not start"]


async def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SCRIPT_TIMEOUT_S", 0.05)

    assert await logged(shell("exec sleep 600")) == ["watch handler took too long"]


async def test_a_request_whose_library_cannot_be_loaded_is_told(monkeypatch: pytest.MonkeyPatch):
    def broken() -> None:
        raise ImportError("no such library")

    monkeypatch.setattr(module, "_import_send", broken)

    assert await logged(Http(url="http://127.0.0.1:1/")) == ["watch handler did not start"]
