import asyncio

import pytest

from agent.connect import certificates, holder
from agent.connect.certificates import Names
from agent.connect.keys import KeyKind, generate
from agent.connect.limits import RateLimited
from agent.connect.requests import make_request
from agent.connect.settings import canonical, read_settings
from agent.connect.signing import Pace, applicant_of
from catalog.errors import Invalid

DOMAIN = "11111111-2222-3333-4444-555555555555.consul"
KIND = KeyKind("ec", 256)


def request_of(uri, **names):
    return make_request(generate(KIND), Names(uri=uri, **names), "web")


@pytest.mark.parametrize("who", [holder.service("web"), holder.mesh_gateway(), holder.agent("n1")])
def test_services_gateways_and_agents_may_ask(who):
    identity = who.identity(DOMAIN, "dc1")

    applicant = applicant_of(request_of(identity.uri, dns_names=("h",)), DOMAIN, "dc1")

    assert identity == applicant.identity
    assert applicant.subject.names == Names(uri=identity.uri, dns_names=("h",))


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        (f"spiffe://{DOMAIN}", "must be a service, mesh-gateway, or agent ID"),
        ("spiffe://other.consul/gateway/mesh/dc/dc1", "from a different trust domain"),
        (f"spiffe://{DOMAIN}/gateway/mesh/dc/dc2", "from a different datacenter: dc2, we are dc1"),
        ("https://x", "SPIFFE ID must have 'spiffe' scheme"),
    ],
)
def test_others_are_refused(uri, text):
    with pytest.raises(Invalid, match=text):
        applicant_of(request_of(uri), DOMAIN, "dc1")


@pytest.mark.parametrize(
    ("who", "field"),
    [
        (holder.service("web"), "service_uri"),
        (holder.mesh_gateway(), "kind_uri"),
        (holder.agent("n1"), "agent_uri"),
    ],
)
async def test_the_answer_says_who_the_leaf_is_about(mesh, who, field):
    domain = (await mesh.roots()).trust_domain
    identity = who.identity(domain, "dc1")

    issued = await mesh.authority.sign(request_of(identity.uri))

    filled = [name for name in ("service_uri", "agent_uri", "kind_uri") if getattr(issued, name)]
    assert filled == [field]
    assert getattr(issued, field) == identity.uri
    certificates.parse_certificate(issued.cert_pem)


def settings(**config):
    return read_settings(canonical(config))


async def test_more_at_a_time_than_allowed_wait_and_are_refused_after_a_while(monkeypatch):
    pace, wanted = Pace(), settings(CSRMaxPerSecond=0, CSRMaxConcurrent=1)
    monkeypatch.setattr("agent.connect.signing.SIGNING_WAIT_S_MAX", 0.01)

    async with pace.turn(wanted):
        with pytest.raises(RateLimited):
            async with pace.turn(wanted):
                pass


async def test_the_end_of_one_is_the_turn_of_the_next():
    pace, wanted = Pace(), settings(CSRMaxPerSecond=0, CSRMaxConcurrent=1)
    order = []

    async def one(name):
        async with pace.turn(wanted):
            order.append(name)
            await asyncio.sleep(0)
            order.append(name)

    await asyncio.gather(one("a"), one("b"), one("c"))

    assert order == ["a", "a", "b", "b", "c", "c"]


async def test_zero_means_no_limit():
    pace, wanted = Pace(), settings(CSRMaxPerSecond=0)

    async with pace.turn(wanted), pace.turn(wanted), pace.turn(wanted):
        pass
