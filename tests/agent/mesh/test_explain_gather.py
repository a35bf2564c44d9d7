"""What an explanation asks the cluster."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from agent.mesh.explain import Asked
from agent.mesh.explain_gather import explain_request
from agent.mesh.watch_questions import Chain, Leaf, Linked, Queried, Query, Question, Roots
from agent.rpc.request import Reply, RpcError
from catalog.errors import NotFound
from catalog.rows.config_entry import ServiceDefaults, ServiceIntentions, ServiceResolver
from catalog.rows.config_entry.service_intentions import SourceIntention
from catalog.rows.config_entry.service_resolver import Redirect
from catalog.rows.service import KIND_TERMINATING_GATEWAY, GatewayService, NodeService, Upstream
from tests.agent.mesh.world import PLACE, World, instance, sidecar, upstream

ASKED = Asked(source="web", destination="db")


class FakeSources:
    """Answers from a world, at once; ``silent`` questions never."""

    def __init__(self, world: World, silent: type | None = None) -> None:
        self.answers = world.answers()
        self.asked: list[Question[Any]] = []
        self._silent = silent

    async def ask(self, question: Question[Any], _token: str, index: int) -> Reply:
        assert 0 == index
        await asyncio.sleep(0)
        self.asked.append(question)
        if type(question) is self._silent:
            raise RpcError("No cluster leader")
        return Reply(value=self.answers.ask(question))


def world(*entries: Any, source: Any = None) -> World:
    registration = source or sidecar("web", upstream("db"))
    row = replace(instance("web"), service=registration)
    return World(*entries).has("web", row).has("db", instance("db")).has("other", instance("other"))


async def test_everything_is_asked_once_and_nothing_is_signed() -> None:
    sources = FakeSources(world())

    found = await explain_request(ASKED, sources, "", PLACE, {})

    assert ["db.default.dc1"] == [share.cluster for share in found.shares]
    assert len(set(sources.asked)) == len(sources.asked)
    assert not any(isinstance(question, Leaf) for question in sources.asked)


async def test_intentions_are_those_of_the_service_where_it_ends() -> None:
    redirect = ServiceResolver(name="db", redirect=Redirect(service="other"))

    found = await explain_request(ASKED, FakeSources(world(redirect)), "", PLACE, {})

    verdict = found.shares[0].verdict
    assert verdict is not None
    assert ("other", False) == (verdict.service, verdict.allowed)


async def test_a_terminating_gateway_decides_for_what_is_behind_it() -> None:
    gate = NodeService(kind=KIND_TERMINATING_GATEWAY, id="gate", service="gate", port=8443)
    linked = GatewayService(gateway="gate", service="db", gateway_kind=KIND_TERMINATING_GATEWAY)
    deny = ServiceIntentions(name="db", sources=(SourceIntention(name="web", action="deny"),))
    row = replace(instance("web"), service=sidecar("web", upstream("db")))
    at_gate = replace(instance("db"), service=gate)
    known = World(deny).has("web", row).has("db", at_gate).knows(Linked("gate"), (linked,))

    found = await explain_request(ASKED, FakeSources(known), "", PLACE, {})

    verdict = found.shares[0].verdict
    assert verdict is not None
    assert ("db", False) == (verdict.service, verdict.allowed)


async def test_what_the_destination_dials_does_not_matter() -> None:
    here = world()
    row = here.instances["db", "dc1"][0]
    here.has("db", replace(row, service=sidecar("db", upstream("other"))))
    sources = FakeSources(here)

    await explain_request(ASKED, sources, "", PLACE, {})

    assert not any("other" in str(question) for question in sources.asked)


async def test_without_an_authority_nothing_is_explained() -> None:
    with pytest.raises(NotFound, match="no certificate authority"):
        await explain_request(ASKED, FakeSources(world(), silent=Roots), "", PLACE, {})


async def test_a_prepared_query_is_explained_as_what_it_found() -> None:
    query = Upstream(destination_type="prepared_query", destination_name="db", local_bind_port=9191)
    here = world(source=sidecar("web", query))
    here.knows(Query("db"), Queried(service="other", datacenter="dc1", nodes=()))

    found = await explain_request(ASKED, FakeSources(here), "", PLACE, {})

    verdict = found.shares[0].verdict
    assert verdict is not None
    assert "other" == verdict.service


async def test_another_datacenter_decides_by_its_own_intentions() -> None:
    redirect = ServiceResolver(name="db", redirect=Redirect(datacenter="dc2"))
    known = world(redirect).has("db", instance("db"), datacenter="dc2")

    found = await explain_request(ASKED, FakeSources(known), "", PLACE, {})

    assert found.shares[0].verdict is None
    assert ("who may reach db in dc2 is decided there",) == found.notes


async def test_a_destination_that_is_not_declared_is_explained_as_if() -> None:
    sources = FakeSources(world(source=sidecar("web")))

    found = await explain_request(ASKED, sources, "", PLACE, {})

    assert (False, "") == (found.declared, found.listener)
    assert 1 == len(found.shares)


async def test_what_cannot_be_known_is_noted() -> None:
    sources = FakeSources(world(), silent=Chain)

    found = await explain_request(ASKED, sources, "", PLACE, {})

    assert ("chain of db: No cluster leader",) == found.notes
    assert () == found.shares


async def test_the_certificate_of_a_proxy_that_runs_here_is_told() -> None:
    here = world()
    row = here.instances["web", "dc1"][0]
    here.has("web", replace(row, node=replace(row.node, node=PLACE.node)))
    running = here.config(sidecar("web", upstream("db")))

    found = await explain_request(
        ASKED, FakeSources(here), "", PLACE, {"web-sidecar-proxy": running}
    )

    assert found.certificate is not None
    assert (True, "01") == (found.certificate.local, found.certificate.serial)


async def test_a_source_without_a_proxy_is_not_found() -> None:
    sources = FakeSources(World(ServiceDefaults(name="web")))

    with pytest.raises(NotFound, match="no proxy of service 'web' is registered"):
        await explain_request(ASKED, sources, "", PLACE, {})
