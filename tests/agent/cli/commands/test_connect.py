"""Claims about connect ca. Source: surface.md §6 and §1.14."""

import json

import pytest

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


BASE = "/v1/connect/ca"


def root(identifier, *, active):
    return {
        "ID": identifier,
        "Active": active,
        "PrivateKeyType": "ec",
        "PrivateKeyBits": 256,
        "NotBefore": "2026-01-01T00:00:00Z",
        "NotAfter": "2036-01-01T00:00:00Z",
    }


def say_roots(agent, provider="consul", **config):
    found = [root("aa", active=False), root("bb", active=True)]
    agent.say("GET", f"{BASE}/roots", {"ActiveRootID": "bb", "Roots": found})
    agent.say("GET", f"{BASE}/leaves", [{"RootID": "aa"}, {"RootID": "bb"}, {"RootID": "bb"}])
    agent.say("GET", PATH, {"Provider": provider, "Config": {"LeafCertTTL": "72h", **config}})


def test_roots_are_shown_with_their_ends_and_leaves(agent, cli):
    say_roots(agent)

    result = cli("connect", "ca", "roots")

    assert result.out == (
        "ID  State     Key     Ends                  Next Root             Leaves\n"
        "aa  inactive  ec 256  2036-01-01T00:00:00Z  -                     1\n"
        "bb  active    ec 256  2036-01-01T00:00:00Z  2034-12-31T19:12:00Z  2\n"
    )


def test_rotate_says_which_root_is_in_use_and_its_plan_changes_nothing(agent, cli):
    say_roots(agent)
    agent.say("PUT", f"{BASE}/rotate", b"")

    plan = cli("connect", "ca", "rotate", "-plan")
    planned = [request.method for request in agent.requests]
    done = cli("connect", "ca", "rotate")

    assert plan.out.startswith("ID  State")
    assert set(planned) == {"GET"}
    assert done.out == "Active root: bb\n"


def test_revoke_sends_each_serial_number(agent, cli):
    row = {"Serial": "0a", "URI": "spiffe://d/ns/default/dc/dc1/svc/web"}
    agent.say("PUT", f"{BASE}/revoke", [row])

    result = cli("connect", "ca", "revoke", "-reason=stolen", "0a", "0a")

    assert result.out == f"Revoked: 0a {row['URI']}\n" * 2
    assert "serial=0a&reason=stolen" in agent.requests[0].raw_path


def test_revoke_of_a_service_and_of_nothing(agent, cli):
    agent.say("PUT", f"{BASE}/revoke", [{"Serial": "0a", "URI": ""}])

    by_service = cli("connect", "ca", "revoke", "-service=web")
    by_nothing = cli("connect", "ca", "revoke")

    assert by_service.out == "Revoked: 0a\n"
    assert "service=web" in agent.requests[0].raw_path
    assert by_nothing.err == "Must provide either serial numbers or -service\n"


def test_revocations_and_leaves_are_tables_or_json(agent, cli):
    revocation = {"Serial": "0a", "URI": "", "Reason": "r", "RevokedAt": "x", "ExpiresAt": "y"}
    agent.say("GET", f"{BASE}/revocations", [revocation])
    agent.say("GET", f"{BASE}/leaves", [])

    as_table = cli("connect", "ca", "revocations")
    as_json = cli("connect", "ca", "revocations", "-format=json")
    nothing = cli("connect", "ca", "leaves", "-filter=URI matches web")

    assert as_table.out == (
        "Serial  RevokedAt  ExpiresAt  URI  Reason\n0a      x          y          -    r\n"
    )
    assert json.loads(as_json.out) == [revocation]
    assert nothing.out == ""
    assert "filter=" in agent.requests[2].raw_path


@pytest.mark.parametrize(
    ("provider", "config"), [("vault", {}), ("consul", {"PrivateKey": "hidden"})]
)
def test_roots_that_the_servers_do_not_replace_say_so(agent, cli, provider, config):
    say_roots(agent, provider, **config)

    result = cli("connect", "ca", "roots")

    assert "  by hand" in result.out
