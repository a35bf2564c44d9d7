"""Claims about version."""

import json

from agent.version import COMPATIBLE, VERSION


def test_version_names_the_program_first_and_the_api_it_speaks(cli):
    lines = cli("version").out.splitlines()

    assert [f"proconsul v{VERSION}", f"Consul-compatible: {COMPATIBLE} API"] == lines[:2]
    assert lines[2].startswith("Protocol 2 spoken by default")


def test_version_is_an_object_for_programs(cli):
    shown = json.loads(cli("version", "-format=json").out)

    assert (shown["Version"], shown["ConsulCompatible"]) == (VERSION, COMPATIBLE)
