import pytest

from agent.rpc.endpoints.connect import (
    CAConfigurationGet,
    CAConfigurationSet,
    CARootsGet,
    ConnectAuthorize,
)
from catalog.errors import Invalid
from catalog.rows.connect import CAConfiguration
from tests.agent.connect.mesh import Mesh


async def test_roots_and_configuration_are_read_and_changed(mesh):
    wanted = CAConfiguration(provider="consul", config={"LeafCertTTL": "24h"})

    await mesh.router.call(CAConfigurationSet(configuration=wanted))

    stored = (await mesh.router.call(CAConfigurationGet())).value
    roots = (await mesh.router.call(CARootsGet())).value
    assert stored.config["LeafCertTTL"] == "24h"
    assert f"{stored.cluster_id}.consul" == roots.trust_domain
    assert roots.active_root_id == roots.roots[0].id


@pytest.mark.parametrize("request_", [CARootsGet(), CAConfigurationGet()])
async def test_without_connect_there_is_no_authority(request_):
    mesh = Mesh(enabled=False)

    with pytest.raises(Invalid, match="Connect must be enabled in order to use this endpoint"):
        await mesh.router.call(request_)


async def test_configuration_is_not_there_before_the_first_leader():
    with pytest.raises(Invalid, match="CA not initialized yet"):
        await Mesh().router.call(CAConfigurationGet())


async def test_identities_of_other_meshes_are_refused(mesh):
    """Whoever holds a certificate of another mesh is nobody here."""
    ours = (await mesh.router.call(CARootsGet())).value.trust_domain

    decisions = [
        (
            await mesh.router.call(
                ConnectAuthorize(trust_domain=domain, source="a", destination="b")
            )
        ).value.allowed
        for domain in (ours, "bad")
    ]

    assert decisions == [True, False]
