"""The recorded answers of Consul 1.9.8, replayed through a client agent that asks a server.

The recording was made with one agent that was the server too, so two things differ by nature: a
client agent puts `rpc error making call: ` before what a server refused, and the server has
another name. The first is looked through here; `docs/compatibility-client-skip.txt` lists where
the second shows. See test_conformance for where the corpus lies.
"""

import fnmatch
import re
from pathlib import Path

import pytest

from tests.compat.test_conformance import area_of_each_scenario, corpus, replay, told
from tests.system.agent_process import ROOT, AgentProcess, AgentStarter
from tests.system.cluster import Cluster

pytestmark = [pytest.mark.compat, pytest.mark.timeout(300)]

CLIENT_SKIP_FILE = ROOT / "docs" / "compatibility-client-skip.txt"
RELAYED = re.compile(
    r'expected (?:"(?P<text>.*)"|\{"\$prefix":"(?P<prefix>.*)"\}), '
    r'got "rpc error making call: (?P<got>.*?)(?P<end>"|…)',
    re.DOTALL,
)


def is_only_relayed(difference: list[str]) -> bool:
    """Whether a text differs by nothing but the prefix of what a server refused.

    The replay cuts long texts in its report; what is left is compared.
    """
    path, told = difference
    found = RELAYED.fullmatch(told)
    if path != "text" or found is None:
        return False
    if found["prefix"] is not None:
        return found["got"].startswith(found["prefix"])
    is_cut = found["end"] == "…"
    return found["text"].startswith(found["got"]) if is_cut else found["text"] == found["got"]


def assert_only_relayed(agent: AgentProcess, scratch: Path, skip_file: Path) -> None:
    """Replay the recording at an agent that asks others; ``skip_file`` names what differs."""
    results = replay(corpus(), agent, scratch, skip_file)
    failed = [told(each) for each in results if not all(map(is_only_relayed, each["diffs"]))]
    assert results
    assert failed == [], "\n".join(failed)


def assert_each_exists_and_says_why(skip_file: Path) -> None:
    names = area_of_each_scenario(corpus())

    for line in skip_file.read_text().splitlines():
        glob, _, reason = line.partition("#")
        assert not glob.strip() or fnmatch.filter(names, glob.strip()), f"no scenario {glob}"
        assert reason.strip(), f"{glob} has no reason"


def test_every_recorded_answer_is_given_through_a_client(
    start_agent: AgentStarter, tmp_path: Path
) -> None:
    cluster = Cluster(start_agent, "-node=node-s", "-datacenter=dc1")
    client = cluster.client("node-a", "-datacenter=dc1", "-hcl=connect { enabled = true }")

    assert_only_relayed(client, tmp_path, CLIENT_SKIP_FILE)


def test_every_scenario_skipped_on_a_client_exists_and_says_why() -> None:
    assert_each_exists_and_says_why(CLIENT_SKIP_FILE)


def test_only_the_relayed_prefix_is_looked_through() -> None:
    assert is_only_relayed(["text", 'expected "no", got "rpc error making call: no"'])
    assert is_only_relayed(
        ["text", 'expected {"$prefix":"no "}, got "rpc error making call: no 1"']
    )
    assert is_only_relayed(["text", 'expected "no way", got "rpc error making call: no…'])
    assert not is_only_relayed(["text", 'expected "no", got "rpc error making call: yes"'])
    assert not is_only_relayed(["text", 'expected "no", got "yes"'])
    assert not is_only_relayed(["status", 'expected "no", got "rpc error making call: no"'])
