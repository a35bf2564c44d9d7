"""Fixtures: a fake agent, and the command line run inside the test's process."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from agent.cli.main import main
from tests.agent.cli.fake_agent import FakeAgent


@dataclass
class Result:
    code: int
    out: str
    err: str
    raw: bytes


Cli = Callable[..., Result]


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAgent]:
    fake = FakeAgent()
    for name in list(os.environ):
        if name.startswith("CONSUL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CONSUL_HTTP_ADDR", fake.address)
    yield fake
    fake.close()


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Cli:
    def run(*argv: str, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main(list(argv))
        captured = capsysbinary.readouterr()
        out = captured.out.decode("utf-8", "replace")
        return Result(code, out, captured.err.decode("utf-8", "replace"), captured.out)

    return run
