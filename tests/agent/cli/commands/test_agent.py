"""Claims about the hand-over to the agent."""

import agent.main


def test_help_lists_the_flags_of_the_schema(cli):
    result = cli("agent", "-help")

    assert result.code == 0
    assert "-bootstrap-expect" in result.out


def test_unknown_flag_is_named_before_anything_starts(cli):
    result = cli("agent", "-no-such-flag")

    assert (result.code, result.out) == (1, "")
    assert "-no-such-flag" in result.err
    assert "Traceback" not in result.err


def test_flags_reach_the_agent_and_its_exit_code_comes_back(cli, monkeypatch):
    seen = []
    monkeypatch.setattr(agent.main, "run_agent", lambda argv: seen.append(argv) or 3)

    assert cli("agent", "-dev", "-node=n").code == 3
    assert seen == [["-dev", "-node=n"]]
