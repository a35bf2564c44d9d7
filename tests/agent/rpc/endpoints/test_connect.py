import pytest
from msgspec.structs import replace

from agent.rpc.endpoints.connect import (
    CAConfigurationGet,
    CAConfigurationSet,
    CARevocationsGet,
    CARevoke,
    CARootsGet,
    ConnectAuthorize,
)
from catalog.errors import BadRequest, Invalid
from catalog.rows.connect import CAConfiguration
from catalog.tables import CA_CONFIGURATION
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


async def test_a_revoked_leaf_is_authorized_for_nothing(mesh):
    ours = (await mesh.router.call(CARootsGet())).value.trust_domain
    await mesh.router.call(CARevoke(serial="0A1B", reason="stolen"))

    decisions = [
        (
            await mesh.router.call(
                ConnectAuthorize(trust_domain=ours, source="a", destination="b", serial=serial)
            )
        ).value
        for serial in ("0a:1b", "0a:1c", "not a serial")
    ]

    assert [decision.allowed for decision in decisions] == [False, True, True]
    assert decisions[0].reason == "Certificate is revoked: serial number 0a:1b"
    (row,) = (await mesh.router.call(CARevocationsGet())).value
    assert (row.serial, row.reason, row.revoked_at_s) == ("0a:1b", "stolen", mesh.now_s)


@pytest.mark.parametrize(
    ("serial", "reason", "text"),
    [("xyz", "", "invalid certificate serial number 'xyz'"), ("01", "x" * 513, "reason is longer")],
)
async def test_wrong_revocations_are_refused(mesh, serial, reason, text):
    with pytest.raises(BadRequest, match=text):
        await mesh.router.call(CARevoke(serial=serial, reason=reason))


async def test_secrets_of_the_configuration_leave_no_server(mesh):
    stored = replace(mesh.store.get(CA_CONFIGURATION, ""), secrets={"Token": "t0ken"})
    mesh.store.put(CA_CONFIGURATION, stored)

    assert "t0ken" not in str((await mesh.router.call(CAConfigurationGet())).value)
