import pytest

from agent.rpc.endpoints.chain import ChainGet
from agent.rpc.endpoints.config_entry import ConfigApply
from catalog.chain import Overrides
from catalog.errors import Invalid
from catalog.rows.config_entry import ServiceDefaults
from tests.agent.connect.mesh import Mesh


async def test_chain_follows_config_entries_datacenter_and_overrides(mesh):
    await mesh.router.call(ConfigApply(entry=ServiceDefaults(name="web", protocol="http")))

    chain = (await mesh.router.call(ChainGet(service="web", evaluate_in="dc9"))).value
    changed = (
        await mesh.router.call(ChainGet(service="web", overrides=Overrides(protocol="grpc")))
    ).value

    assert (chain.protocol, chain.datacenter) == ("http", "dc9")
    assert (changed.protocol, changed.datacenter) == ("grpc", "dc1")
    assert chain.targets["web.default.dc9"].sni.endswith(".consul")


async def test_no_chain_without_a_trust_domain():
    mesh = Mesh()

    with pytest.raises(Invalid, match="no cluster ca config setup"):
        await mesh.router.call(ChainGet(service="web"))
