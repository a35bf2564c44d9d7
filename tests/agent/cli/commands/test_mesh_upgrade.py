"""Claims about mesh upgrade."""

PATH = "/v1/internal/mesh/upgrade"


def test_new_processes_are_told(agent, cli):
    agent.say("PUT", PATH, {"Processes": [17, 18]})

    result = cli("mesh", "upgrade")

    shown = "".join(f"Worker replaced; the new one is process {number}\n" for number in (17, 18))
    assert (0, shown) == (result.code, result.out)


def test_agent_without_workers_is_no_failure(agent, cli):
    agent.say("PUT", PATH, {"Processes": []})

    result = cli("mesh", "upgrade")

    assert (0, "No worker serves proxies at this agent\n") == (result.code, result.out)


def test_a_worker_that_cannot_take_over_is_a_failure(agent, cli):
    agent.say("PUT", PATH, "the new worker ended", status=500)

    result = cli("mesh", "upgrade")

    assert 1 == result.code
    assert "the new worker ended" in result.err
