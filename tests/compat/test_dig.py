"""dig (BIND) and kdig (Knot) as DNS clients: record types, TCP, EDNS and letter case."""

import re

import pytest

from tests.compat.peer import run_program
from tests.system.agent_process import AgentProcess

pytestmark = pytest.mark.compat

INSTANCES = 6


@pytest.fixture(scope="module", autouse=True)
def services(agent: AgentProcess) -> None:
    """Service dig-web on six nodes with addresses of their own and a meta pair each."""
    for number in range(1, INSTANCES + 1):
        agent.put_ok(
            "/v1/catalog/register",
            {
                "Node": f"dig-{number}",
                "Address": f"10.1.0.{number}",
                "NodeMeta": {"rack": f"r{number}"},
                "Service": {"Service": "dig-web", "Port": 8000 + number, "Tags": ["Primary"]},
            },
        )


# One attempt, so that a lost answer fails; the two programs name the option differently.
ONE_ATTEMPT = {"dig": "+tries=1", "kdig": "+retry=0"}


def ask(agent: AgentProcess, tool: str, *words: str) -> str:
    """What the tool prints for one question."""
    server = ("@127.0.0.1", "-p", str(agent.dns_port))
    return run_program(tool, *server, ONE_ATTEMPT[tool], "+time=3", *words)


@pytest.mark.parametrize("tool", ["dig", "kdig"])
def test_address_of_a_node(agent: AgentProcess, tool: str) -> None:
    assert ask(agent, tool, "dig-1.node.consul", "A", "+short").split() == ["10.1.0.1"]


@pytest.mark.parametrize("tool", ["dig", "kdig"])
def test_tcp_gives_every_instance(agent: AgentProcess, tool: str) -> None:
    addresses = ask(agent, tool, "dig-web.service.consul", "A", "+tcp", "+short").split()

    assert {f"10.1.0.{number}" for number in range(1, INSTANCES + 1)} == set(addresses)


@pytest.mark.parametrize("tool", ["dig", "kdig"])
def test_srv_names_a_port_and_a_target_with_its_address(agent: AgentProcess, tool: str) -> None:
    lines = ask(agent, tool, "dig-web.service.consul", "SRV", "+tcp", "+short").splitlines()

    expected = {f"1 1 {8000 + number} dig-{number}.node.dc1.consul." for number in range(1, 7)}
    assert expected == set(lines)


def test_rfc_2782_name_selects_by_tag(agent: AgentProcess) -> None:
    lines = ask(agent, "dig", "_dig-web._primary.service.consul", "SRV", "+tcp", "+short")

    assert len(lines.splitlines()) == INSTANCES


@pytest.mark.parametrize("tool", ["dig", "kdig"])
def test_txt_of_a_node_is_its_meta(agent: AgentProcess, tool: str) -> None:
    assert '"rack=r1"' in ask(agent, tool, "dig-1.node.consul", "TXT", "+short").splitlines()


def test_plain_udp_gives_three_answers_without_edns(agent: AgentProcess) -> None:
    answer = ask(agent, "dig", "dig-web.service.consul", "A", "+noedns", "+notcp", "+ignore")

    assert "ANSWER: 3," in answer
    assert "EDNS" not in answer


@pytest.mark.parametrize("tool", ["dig", "kdig"])
def test_edns_size_is_echoed_and_lifts_the_limit(agent: AgentProcess, tool: str) -> None:
    answer = ask(agent, tool, "dig-web.service.consul", "A", "+edns=0", "+bufsize=1232")

    assert re.search(r"ANSWER: 6\b", answer)
    assert re.search(r"(udp: |UDP size: )1232\b", answer)


def test_letter_case_is_ignored_and_echoed(agent: AgentProcess) -> None:
    """kdig sends names in lower case, so only dig can tell."""
    answer = ask(agent, "dig", "dIg-1.NoDe.cOnSuL", "A")

    assert re.search(r"^dIg-1\.NoDe\.cOnSuL\.\s+0\s+IN\s+A\s+10\.1\.0\.1$", answer, re.M)


def test_unknown_name_is_nxdomain_with_the_zone(agent: AgentProcess) -> None:
    answer = ask(agent, "dig", "nosuch.service.consul", "A")

    assert "status: NXDOMAIN" in answer
    assert "ns.consul. hostmaster.consul." in answer


def test_reverse_lookup_names_the_node(agent: AgentProcess) -> None:
    assert ask(agent, "dig", "-x", "10.1.0.2", "+short").split() == ["dig-2.node.dc1.consul."]
