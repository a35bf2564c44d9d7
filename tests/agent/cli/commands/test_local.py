"""Claims about info, leave, reload, monitor and validate."""

import json


def test_info_prints_sorted_sections(agent, cli):
    stats = {"raft": {"term": "2", "commit_index": "9"}, "agent": {"checks": "0"}}
    agent.say("GET", "/v1/agent/self", {"Stats": stats})

    assert cli("info").out == ("agent:\n\tchecks = 0\nraft:\n\tcommit_index = 9\n\tterm = 2\n")


def test_leave_and_reload_say_so(agent, cli):
    agent.say("PUT", "/v1/agent/leave")
    agent.say("PUT", "/v1/agent/reload")

    assert cli("leave").out == "Graceful leave complete\n"
    assert cli("reload").out == "Configuration reload triggered\n"
    assert cli("leave", "now").err == "Error! Too many arguments (expected 0, got 1)\n"


def test_monitor_prints_the_log_as_it_is(agent, cli):
    agent.say("GET", "/v1/agent/monitor", b"line 1\nline 2\n")

    assert cli("monitor", "-log-level=debug", "-log-json").out == "line 1\nline 2\n"
    assert agent.requests[0].query == {"loglevel": "debug", "logjson": "true"}


def test_monitor_shows_the_refusal_of_a_bad_level(agent, cli):
    agent.say("GET", "/v1/agent/monitor", b"Unknown log level: x", status=400)

    result = cli("monitor", "-log-level=x")

    assert result.code == 1
    assert result.err == (
        "Error starting monitor: Unexpected response code: 400 (Unknown log level: x)\n"
    )


def test_validate_accepts_and_refuses_configuration(cli, tmp_path):
    good = tmp_path / "good.json"
    good.write_text(json.dumps({"data_dir": str(tmp_path)}))
    bad = tmp_path / "bad.hcl"
    bad.write_text('server = true\nno_such_key = 1\ndata_dir = "/tmp"\n')

    assert cli("validate", str(good)).out == "Configuration is valid!\n"
    assert cli("validate", "-quiet", str(good)).out == ""
    result = cli("validate", str(bad))
    assert result.code == 1
    assert result.err.startswith("Config validation failed: ")
    assert "no_such_key" in result.err
    assert cli("validate").err == "Must specify at least one config file or directory\n"
    assert "-config-format" in cli("validate", "-config-format=xml", str(good)).err


def test_validate_of_a_directory_without_data_dir_says_consuls_text(cli, tmp_path):
    (tmp_path / "a.hcl").write_text("server = true")

    result = cli("validate", str(tmp_path))

    assert (result.code, result.err) == (
        1,
        "Config validation failed: data_dir cannot be empty\n",
    )
