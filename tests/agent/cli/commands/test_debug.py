"""Claims about debug."""

import json
import tarfile

import pytest


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("agent.cli.commands.debug.DURATION_S_MIN", 0)
    monkeypatch.setattr("agent.cli.commands.debug.INTERVAL_S_MIN", 0)


def test_archive_holds_what_was_recorded_and_the_directory_goes(agent, cli, quick, tmp_path):
    agent.say("GET", "/v1/agent/self", {"Config": {}})
    agent.say("GET", "/v1/agent/members", [])
    agent.say("GET", "/v1/agent/metrics", {"Gauges": []})
    agent.say("GET", "/v1/agent/monitor", b"line\n")
    output = tmp_path / "out"

    result = cli(
        "debug", "-duration=40ms", "-interval=20ms", f"-output={output}",
        "-capture=agent", "-capture=cluster", "-capture=metrics", "-capture=logs",
    )  # fmt: skip

    assert result.code == 0, result.err
    assert result.out.endswith(f"Saved debug archive: {output}.tar.gz\n")
    assert not output.exists()
    with tarfile.open(f"{output}.tar.gz") as tar:
        names = {name.removeprefix("out/") for name in tar.getnames()}
        index = json.load(tar.extractfile("out/index.json"))
    assert {"agent.json", "cluster.json", "consul.log", "index.json"} <= names
    assert any(name.endswith("/metrics.json") for name in names)
    assert index["targets"] == ["agent", "cluster", "logs", "metrics"]


def test_what_the_agent_does_not_offer_is_reported_and_left_out(agent, cli, quick, tmp_path):
    agent.say("GET", "/v1/agent/self", {})
    argv = ("-duration=10ms", "-interval=10ms", "-archive=false", f"-output={tmp_path / 'o'}")

    result = cli("debug", "-capture=host", *argv)

    assert result.code == 0
    assert result.err.startswith("Cannot record host.json: Unexpected response code: 404")
    assert (tmp_path / "o" / "index.json").exists()


def test_bad_calls_are_refused_before_anything_is_written(agent, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    agent.say("GET", "/v1/agent/self", b"Permission denied", status=403)

    assert "-capture must be one of agent, cluster" in cli("debug", "-capture=all").err
    assert "-duration must be at least 10s" in cli("debug", "-duration=1s").err
    assert cli("debug", "-duration=10s", "-interval=5s").code == 1
    assert list(tmp_path.iterdir()) == []
