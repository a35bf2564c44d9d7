"""Watches of a real agent: handlers run, and a reload changes all of them or none."""

import json
import signal
from pathlib import Path

import pytest

from tests.system.agent_process import AgentProcess, AgentStarter, wait_until

pytestmark = pytest.mark.system


def key_watch(key: str, target: Path) -> dict[str, object]:
    script = f'cat >> {target}; echo "$CONSUL_INDEX" >> {target}.index'
    return {"type": "key", "key": key, "args": ["/bin/sh", "-c", script]}


def lines(target: Path) -> list[object]:
    return [json.loads(line) for line in target.read_text().splitlines()] if target.exists() else []


def write(path: Path, *watches: dict[str, object]) -> None:
    path.write_text(json.dumps({"watches": watches}))


def reload_status(agent: AgentProcess) -> int:
    return agent.put("/v1/agent/reload").status


def test_watches_follow_the_cluster_and_the_configuration(
    start_agent: AgentStarter, tmp_path: Path
) -> None:
    configuration, first, second = (tmp_path / name for name in ("watches.json", "a", "b"))
    write(configuration, key_watch("a", first))
    agent = start_agent(f"-config-file={configuration}")

    wait_until(lambda: lines(first) == [None], what="first view")
    agent.put_ok("/v1/kv/a", "1")
    wait_until(lambda: len(lines(first)) == 2, what="view after a write")
    pair = agent.get("/v1/kv/a").json[0]
    assert lines(first)[1] == {**pair, "Session": ""}
    indexes = Path(f"{first}.index")
    wait_until(lambda: indexes.read_text().split()[-1] == str(pair["ModifyIndex"]), what="index")

    write(configuration, key_watch("a", first), {"type": "key", "args": ["x"]})
    assert reload_status(agent) == 500
    assert "watches[1].key: must be set" in agent.put("/v1/agent/reload").text

    write(configuration, key_watch("b", second))
    assert reload_status(agent) == 200
    wait_until(lambda: lines(second) == [None], what="new watch")
    agent.put_ok("/v1/kv/a", "2")
    agent.put_ok("/v1/kv/b", "2")
    wait_until(lambda: len(lines(second)) == 2, what="new watch's view")
    assert len(lines(first)) == 2
    assert agent.stop(signal.SIGTERM) == 0


def test_a_bad_watch_ends_the_start_with_one_line(
    start_agent: AgentStarter, tmp_path: Path
) -> None:
    configuration = tmp_path / "watches.json"
    write(configuration, {"type": "keyprefix", "args": ["x"]})
    agent = start_agent.make(f"-config-file={configuration}")

    with pytest.raises(RuntimeError):
        agent.start()

    assert "==> watches[0].prefix: must be set" in agent.log_tail()
    assert "Traceback" not in agent.log_tail()
