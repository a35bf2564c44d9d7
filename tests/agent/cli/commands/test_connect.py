"""Claims about connect ca. Source: surface.md §6 and §1.14."""

import json

PATH = "/v1/connect/ca/configuration"


def test_get_config_prints_json_indented_by_tabs(agent, cli):
    agent.say("GET", PATH, {"Provider": "consul", "Config": {"LeafCertTTL": "72h"}})

    result = cli("connect", "ca", "get-config")

    assert result.out == (
        '{\n\t"Provider": "consul",\n\t"Config": {\n\t\t"LeafCertTTL": "72h"\n\t}\n}\n'
    )


def test_set_config_sends_the_file(agent, cli, tmp_path):
    agent.say("PUT", PATH, b"")
    file = tmp_path / "ca.json"
    file.write_text('{"Provider": "consul", "Config": {"LeafCertTTL": "2h"}}')

    result = cli(
        "connect", "ca", "set-config", f"-config-file={file}", "-force-without-cross-signing"
    )

    assert (result.code, result.out) == (0, "Configuration updated!\n")
    assert json.loads(agent.requests[0].body) == {
        "Provider": "consul",
        "Config": {"LeafCertTTL": "2h"},
        "ForceWithoutCrossSigning": True,
    }


def test_set_config_without_a_file_is_refused(cli):
    result = cli("connect", "ca", "set-config")

    assert (result.code, result.err) == (1, "The -config-file flag is required\n")


def test_set_config_passes_on_why_it_was_refused(agent, cli, tmp_path):
    agent.say("PUT", PATH, b"unknown CA provider", status=500)
    file = tmp_path / "ca.hcl"
    file.write_text('Provider = "x"')

    result = cli("connect", "ca", "set-config", f"-config-file={file}")

    assert result.code == 1
    assert result.err == (
        "Error setting CA configuration: Unexpected response code: 500 (unknown CA provider)\n"
    )
