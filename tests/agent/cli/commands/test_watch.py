"""Claims about watch. Source: surface.md §5.2 watches, §6."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.agent.cli.fake_agent import Row

ROOT = Path(__file__).parents[4]
MAIN = [sys.executable, "-c", "import sys; from agent.cli.main import main; sys.exit(main())"]


@pytest.mark.parametrize(
    ("argv", "path", "query"),
    [
        (("-type=services",), "/v1/catalog/services", {}),
        (("-type=nodes",), "/v1/catalog/nodes", {}),
        (
            ("-type=service", "-service=web", "-tag=a", "-passingonly"),
            "/v1/health/service/web",
            {"tag": "a", "passing": "1"},
        ),
        (("-type=checks",), "/v1/health/state/any", {}),
        (("-type=checks", "-state=critical"), "/v1/health/state/critical", {}),
        (("-type=checks", "-service=web"), "/v1/health/checks/web", {}),
        (("-type=event", "-name=e"), "/v1/event/list", {"name": "e"}),
        (("-type=connect_roots",), "/v1/connect/ca/roots", {}),
    ],
)
def test_each_type_asks_its_endpoint_and_prints_once(agent, cli, argv, path, query):
    agent.say("GET", path, [{"a": 1}])

    result = cli("watch", *argv)

    assert result.code == 0
    assert json.loads(result.out) == [{"a": 1}]
    assert query == agent.requests[0].query


def test_key_and_prefix_have_the_clients_shape(agent, cli):
    agent.rows["k"] = Row(b"v", 0, "", 1, 2)

    pair = json.loads(cli("watch", "-type=key", "-key=k").out)

    assert pair["Session"] == ""
    assert pair["Value"] == "dg=="
    assert [pair] == json.loads(cli("watch", "-type=keyprefix", "-prefix=k").out)
    assert cli("watch", "-type=key", "-key=none").out == "null\n"


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("-type=zz",),
        ("-type=key",),
        ("-type=service",),
        ("-type=checks", "-service=a", "-state=b"),
    ],
)
def test_missing_or_contradicting_flags_are_refused(agent, cli, argv):
    assert cli("watch", *argv).code == 1


def test_command_runs_on_each_change_with_json_and_index(agent, tmp_path):
    agent.rows["k"] = Row(b"1", 0, "", 1, 2)
    argv = [*MAIN, "watch", "-type=key", "-key=k", "echo $CONSUL_INDEX; cat"]
    watch = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert watch.stdout is not None

    first = (watch.stdout.readline(), json.loads(watch.stdout.readline()))
    with agent.changed:
        index = agent.touch()
        agent.rows["k"] = Row(b"2", 0, "", 1, index)
    second = (watch.stdout.readline(), json.loads(watch.stdout.readline()))
    watch.send_signal(signal.SIGTERM)

    assert first[0] == "10\n"
    assert (first[1]["Value"], second[1]["Value"]) == ("MQ==", "Mg==")
    assert int(second[0]) == index
    assert watch.wait(2) == 0
    watch.stdout.close()
