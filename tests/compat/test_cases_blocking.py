"""Trouble that users of blocking queries met in the field, with the outcome that is right."""

import contextlib
import threading
from collections.abc import Iterator

import pytest

from tests.system.agent_process import AgentProcess, Response, wait_until

pytestmark = pytest.mark.compat


@contextlib.contextmanager
def blocked(agent: AgentProcess, path: str) -> Iterator[list[Response]]:
    """Run a read that blocks on a thread; its answer is in the list after the block."""
    before = blocked_count(agent)
    answers: list[Response] = []
    thread = threading.Thread(target=lambda: answers.append(agent.get(path)))
    thread.start()
    try:
        wait_until(lambda: blocked_count(agent) > before, what="the read blocks")
        yield answers
    finally:
        thread.join()


def blocked_count(agent: AgentProcess) -> int:
    gauges = agent.get("/v1/agent/metrics").json["Gauges"]
    return sum(gauge["Value"] for gauge in gauges if gauge["Name"].endswith("rpc.queries_blocking"))


@pytest.fixture
def index(agent: AgentProcess) -> int:
    """The index of key w, which no test changes without restoring the wait itself."""
    agent.put_ok("/v1/kv/w", "x")
    return agent.get("/v1/kv/w").index


@pytest.mark.parametrize(
    ("wait", "least_s", "most_s"), [("1ms", 0, 1), ("1us", 0, 1), ("1.5s", 1.4, 2.6)]
)
def test_wait_is_a_go_duration(
    agent: AgentProcess, index: int, wait: str, least_s: float, most_s: float
) -> None:
    """Source: hashicorp/consul#2727."""
    answer = agent.get(f"/v1/kv/w?index={index}&wait={wait}")

    assert answer.status == 200
    assert least_s <= answer.elapsed_s <= most_s
    assert answer.index >= 1


@pytest.mark.parametrize("wait", ["1", "garbage"])
def test_wait_without_a_unit_is_400(agent: AgentProcess, index: int, wait: str) -> None:
    """Source: networknt/light-4j#333."""
    answer = agent.get(f"/v1/kv/w?index={index}&wait={wait}")

    assert (answer.status, answer.text) == (400, "Invalid wait time")


@pytest.mark.parametrize("wait", ["0", "0s", "11m"])
def test_no_wait_and_a_long_wait_block(agent: AgentProcess, index: int, wait: str) -> None:
    """0 is the default of five minutes; ten is the cap. Source: hashicorp/consul#2727."""
    with pytest.raises(TimeoutError):
        agent.get(f"/v1/kv/w?index={index}&wait={wait}", timeout_s=1)


def test_negative_wait_is_the_default_or_400(agent: AgentProcess, index: int) -> None:
    """Source: hashicorp/consul#2727."""
    try:
        status = agent.get(f"/v1/kv/w?index={index}&wait=-5s", timeout_s=1).status
    except TimeoutError:
        return

    assert status == 400


@pytest.mark.parametrize("asked", ["0", "1", ""])
def test_low_index_answers_at_once(agent: AgentProcess, index: int, asked: str) -> None:
    """Source: hashicorp/consul#5358."""
    answer = agent.get(f"/v1/kv/w?index={asked}&wait=5s")

    assert answer.elapsed_s < 2
    assert answer.index >= 1


@pytest.mark.parametrize("asked", ["-1", "abc", "18446744073709551616"])
def test_index_that_is_no_64_bit_number_is_400(agent: AgentProcess, asked: str) -> None:
    """Source: hashicorp/consul#2727."""
    answer = agent.get(f"/v1/kv/w?index={asked}&wait=1s")

    assert (answer.status, answer.text) == (400, "Invalid index")


@pytest.mark.parametrize("ahead", [2**64 - 1, None])
def test_index_ahead_of_the_server_returns_the_lower_one_in_time(
    agent: AgentProcess, index: int, ahead: int | None
) -> None:
    """Source: simplesurance/grpcconsulresolver#26, hashicorp/consul#21575."""
    asked = ahead or index + 1_000_000
    answer = agent.get(f"/v1/kv/w?index={asked}&wait=1s")

    assert answer.status == 200
    assert answer.elapsed_s < 2
    assert answer.index < asked


def test_restore_wakes_a_watcher_with_the_restored_state(agent: AgentProcess) -> None:
    """1.9.8 hands out the discarded state. Source: hashicorp/consul#2621."""
    agent.put_ok("/v1/kv/snapk", "old")
    archive = agent.get("/v1/snapshot").body
    for number in range(30):
        agent.put_ok("/v1/kv/snapk", f"new {number}")
    index = agent.get("/v1/kv/snapk").index

    with blocked(agent, f"/v1/kv/snapk?index={index}&wait=20s") as answers:
        restored = agent.put("/v1/snapshot", archive)
    again = agent.get(f"/v1/kv/snapk?index={index}&wait=5s")

    assert restored.status == 200
    assert answers[0].elapsed_s < 15
    assert answers[0].status >= 400 or answers[0].json[0]["Value"] == "b2xk"
    assert again.json[0]["Value"] == "b2xk"
    assert again.index < index


def register_web(agent: AgentProcess, name: str, port: int = 80) -> None:
    agent.put_ok(
        "/v1/catalog/register",
        {
            "Node": "bl-node",
            "Address": "10.4.0.1",
            "Service": {"ID": name, "Service": name, "Port": port},
        },
    )


def test_watch_of_one_service_sleeps_through_changes_of_others(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#3712, #3890."""
    register_web(agent, "bl-web")
    index = agent.get("/v1/health/service/bl-web").index

    with blocked(agent, f"/v1/health/service/bl-web?index={index}&wait=1s") as answers:
        for number in range(10):
            register_web(agent, f"bl-other-{number}")

    assert answers[0].elapsed_s > 0.95
    assert answers[0].index == index
    assert agent.get("/v1/health/service/bl-web").index == index


def test_unknown_service_is_not_woken_by_a_neighbour(agent: AgentProcess) -> None:
    """Source: hashicorp/consul#3712."""
    index = agent.get("/v1/health/service/bl-un").index

    with blocked(agent, f"/v1/health/service/bl-un?index={index}&wait=1s") as answers:
        register_web(agent, "bl-unlike")

    assert answers[0].elapsed_s > 0.95
    assert answers[0].json == []


def test_index_of_an_absent_service_is_the_same_on_every_path(agent: AgentProcess) -> None:
    """A lower one costs a watcher a query that answers at once. Source: hashicorp/consul#3712."""
    path = "/v1/health/service/bl-absent"
    agent.get(path)

    register_web(agent, "bl-present")

    assert agent.get(path).index == agent.get(f"{path}?pretty").index
