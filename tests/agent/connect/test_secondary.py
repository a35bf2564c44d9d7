from collections.abc import AsyncIterator

import pytest
from cryptography import x509
from msgspec.structs import replace

from agent.connect import certificates
from agent.connect.certificates import Names
from agent.connect.keys import KeyKind, generate
from agent.connect.provider import signing_intermediate
from agent.connect.requests import make_request
from agent.connect.secondary import RemotePrimary
from agent.connect.upkeep import Upkeep
from agent.rpc.endpoints.connect import CASignIntermediate
from agent.rpc.request import NoPathToDatacenter
from catalog.errors import Invalid
from catalog.rows.connect import CAConfiguration
from tests.agent.connect.chains import is_trusted
from tests.agent.connect.fake_vault import TOKEN, FakeVault
from tests.agent.connect.mesh import Mesh


@pytest.fixture
async def other(mesh: Mesh) -> AsyncIterator[Mesh]:
    """A secondary datacenter, dc2, of the mesh's, whose connection to it is ``connected``."""

    async def call(request):
        if not second.connected:
            raise NoPathToDatacenter
        assert request.datacenter == "dc1"
        return await mesh.router.call(replace(request, datacenter=""))

    second = Mesh(datacenter="dc2", primary=RemotePrimary(call, "dc1"))
    second.connected = True
    await second.authority.start("consul", {})
    yield second
    await second.close()


@pytest.fixture
def upkeep(other: Mesh) -> Upkeep:
    return Upkeep(other.authority)


async def leaf_of(mesh):
    return (await mesh.leaves.get("web", "")).leaf


async def roots_pem(mesh):
    return [root.root_cert for root in (await mesh.roots()).roots]


async def test_both_datacenters_have_one_trust_domain_and_trust_each_others_leaves(
    mesh, other, upkeep
):
    await upkeep.look()

    first, second = await leaf_of(mesh), await leaf_of(other)
    assert (await mesh.roots()).trust_domain == (await other.roots()).trust_domain
    assert await roots_pem(mesh) == await roots_pem(other)
    assert is_trusted(first.cert_pem, await roots_pem(other), mesh.now_s)
    assert is_trusted(second.cert_pem, await roots_pem(mesh), mesh.now_s)
    assert second.service_uri.endswith("/ns/default/dc/dc2/svc/web")
    # Counted in both, they would meet, and a revocation would hit the wrong one.
    assert len(second.serial_number) > 40


async def test_intermediate_signs_leaves_only_and_lives_as_long_as_the_primary_says(
    mesh, other, upkeep
):
    await upkeep.look()

    active = other.authority.active_root()
    intermediate = certificates.parse_certificate(signing_intermediate(active))
    constraints = intermediate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    assert intermediate.not_valid_after_utc.timestamp() == mesh.now_s + 8760 * 3600
    assert active.signing_key_id == certificates.signing_key_id(intermediate)


async def test_a_primary_that_is_away_is_waited_for_and_then_not_needed(mesh, other, upkeep):
    other.connected = False
    with pytest.raises(NoPathToDatacenter):
        await upkeep.look()
    assert other.authority.configuration() is None

    other.connected = True
    await upkeep.look()
    other.connected = False

    assert is_trusted((await leaf_of(other)).cert_pem, await roots_pem(mesh), mesh.now_s)


async def test_another_root_of_the_primary_is_followed(mesh, other, upkeep):
    await upkeep.look()
    old_leaf, old_roots = await leaf_of(other), await roots_pem(other)

    await mesh.authority.rotate()
    await upkeep.look()

    new_leaf = (await other.leaves.get("api", "")).leaf
    assert (await mesh.roots()).active_root_id == (await other.roots()).active_root_id
    assert len(await roots_pem(other)) == 2
    assert is_trusted(old_leaf.cert_pem, await roots_pem(mesh), mesh.now_s)
    assert is_trusted(new_leaf.cert_pem, old_roots, mesh.now_s)
    index = other.log.index
    await upkeep.look()
    assert index == other.log.index


async def test_intermediate_is_renewed_half_way(mesh, other, upkeep):
    await upkeep.look()
    before = other.authority.active_root()
    other.now_s = mesh.now_s = mesh.now_s + 4381 * 3600.0

    await upkeep.look()

    after = other.authority.active_root()
    assert before.id == after.id
    assert before.signing_key_id != after.signing_key_id
    assert is_trusted((await leaf_of(other)).cert_pem, await roots_pem(mesh), mesh.now_s)


async def test_a_primary_of_its_own_becomes_a_secondary(mesh, other, upkeep):
    """Its leaves change their trust domain; they are renewed, since the signer changes."""
    alone = Mesh(datacenter="dc2")
    await alone.authority.start("consul", {})
    other.machine.restore(alone.machine.freeze()())
    before = await leaf_of(other)

    await upkeep.look()
    after = (await other.leaves.get("api", "")).leaf

    assert not is_trusted(before.cert_pem, await roots_pem(mesh), mesh.now_s)
    assert is_trusted(after.cert_pem, await roots_pem(mesh), mesh.now_s)
    assert (await mesh.roots()).trust_domain == (await other.roots()).trust_domain


async def test_vault_of_the_primary_signs_intermediates_too(mesh, other, upkeep):
    vault = FakeVault(lambda: mesh.now_s)
    await vault.start()
    config = {"Address": vault.address, "Token": TOKEN}
    config |= {"RootPKIPath": "r", "IntermediatePKIPath": "i"}
    await mesh.authority.configure(CAConfiguration(provider="vault", config=config))

    await upkeep.look()

    assert is_trusted((await leaf_of(other)).cert_pem, await roots_pem(mesh), mesh.now_s)
    await vault.stop()


@pytest.mark.parametrize(
    "wanted",
    [
        CAConfiguration(provider="vault", config={}),
        CAConfiguration(provider="consul", config={"PrivateKey": "x"}),
    ],
)
async def test_roots_are_no_matter_of_a_secondary(other, upkeep, wanted):
    await upkeep.look()

    with pytest.raises(Invalid, match="configured in the primary datacenter"):
        await other.authority.configure(wanted)
    with pytest.raises(Invalid, match="it is the primary datacenter's"):
        await other.authority.rotate()
    with pytest.raises(Invalid, match="signed in the primary datacenter"):
        await other.router.call(CASignIntermediate(request="x"))


async def test_lives_of_leaves_are_a_secondarys_own(mesh, other, upkeep):
    await upkeep.look()

    await other.authority.configure(
        CAConfiguration(provider="consul", config={"LeafCertTTL": "24h"})
    )

    leaf = certificates.parse_certificate((await leaf_of(other)).cert_pem)
    assert leaf.not_valid_after_utc.timestamp() == other.now_s + 24 * 3600


async def test_only_the_own_trust_domain_gets_an_intermediate(mesh):
    names = Names(uri="spiffe://other.consul")
    request = make_request(generate(KeyKind("ec", 256)), names, "x")

    with pytest.raises(Invalid, match="must be the ID of this trust domain"):
        await mesh.router.call(CASignIntermediate(request=request))
    with pytest.raises(Invalid):
        await mesh.router.call(CASignIntermediate(request="x"))
