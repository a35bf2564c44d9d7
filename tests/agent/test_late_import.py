"""Late imports: away from the loop's thread, and not before they are needed."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent.late_import import import_late

ROOT = Path(__file__).resolve().parents[2]
# In a process of its own, since tests import aiohttp themselves.
IDLE_AGENT = """
import asyncio, sys
from tests.agent.harness import open_house

async def main():
    async with open_house() as house:
        print((await house.ask("PUT", "/v1/kv/k", b"v")).status)
        print((await house.ask("GET", "/v1/kv/k?raw")).body)
        print([name for name in ("aiohttp", "yarl", "h2", "rich") if sys.modules.get(name)])
        slow = [house.ask("GET", "/v1/kv/k?raw&cached") for _ in range(8)]
        answers = await asyncio.gather(*slow, house.ask("GET", "/v1/kv/k?raw"))
        print({answered.body for answered in answers}, "aiohttp" in sys.modules)

sys.modules["rich"] = None  # as agent.main
import agent.lifecycle
asyncio.run(main())
"""


def test_an_agent_without_slow_requests_imports_no_http_library():
    ran = subprocess.run(
        [sys.executable, "-c", IDLE_AGENT], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert ran.stdout.splitlines()[-4:] == ["200", "b'v'", "[]", "{b'v'} True"]


async def test_all_loads_run_on_one_thread_that_is_not_the_loops():
    threads = await asyncio.gather(*(import_late(threading.current_thread) for _ in range(5)))

    assert 1 == len(set(threads))
    assert threading.current_thread() not in threads


async def test_the_loop_goes_on_meanwhile():
    loop_went_on = threading.Event()
    loading = import_late(lambda: loop_went_on.wait(5))
    asyncio.get_running_loop().call_soon(loop_went_on.set)

    assert await loading


async def test_what_cannot_be_imported_is_told_and_tried_again():
    def load() -> str:
        tries.append("try")
        if len(tries) == 1:
            raise OSError("Too many open files")
        return "loaded"

    tries: list[str] = []

    with pytest.raises(OSError, match="Too many"):
        await import_late(load)
    assert "loaded" == await import_late(load)
