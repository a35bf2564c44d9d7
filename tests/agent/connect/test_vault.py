from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from agent.connect import certificates
from agent.connect.certificates import Names
from agent.connect.keys import KeyKind, generate
from agent.connect.provider import signing_intermediate
from agent.connect.requests import make_request
from agent.connect.spiffe import ServiceIdentity
from agent.connect.upkeep import Upkeep
from catalog.errors import Invalid
from catalog.rows.connect import CAConfiguration
from catalog.tables import CA_CONFIGURATION, CA_ROOTS, CA_SIGNERS
from tests.agent.connect.chains import is_trusted
from tests.agent.connect.fake_vault import TOKEN, FakeVault
from tests.agent.connect.mesh import Mesh

KIND = KeyKind("ec", 256)
LEAF_LIFE_S = 72 * 3600.0


@pytest.fixture
async def vault(mesh: Mesh) -> AsyncIterator[FakeVault]:
    fake = FakeVault(lambda: mesh.now_s)
    await fake.start()
    yield fake
    await fake.stop()


def wanted(vault, **config):
    return CAConfiguration(
        provider="vault",
        config={
            "Address": vault.address,
            "Token": TOKEN,
            "RootPKIPath": "root",
            "IntermediatePKIPath": "below/intermediate/",
            **config,
        },
    )


BUILTIN = CAConfiguration(provider="consul", config={})


async def leaf_of(mesh):
    """What a service sends in a handshake."""
    domain = (await mesh.roots()).trust_domain
    identity = ServiceIdentity(trust_domain=domain, datacenter="dc1", service="web")
    request = make_request(generate(KIND), Names(uri=identity.uri), "web")
    return (await mesh.authority.sign(request)).cert_pem


async def roots_pem(mesh):
    return [root.root_cert for root in (await mesh.roots()).roots]


async def test_what_is_not_there_is_made(mesh, vault):
    await mesh.authority.configure(wanted(vault))

    active = mesh.authority.active_root()
    intermediate = certificates.parse_certificate(signing_intermediate(active))
    leaf = certificates.parse_certificate(await leaf_of(mesh))
    leaf.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(certificates.parse_certificate(active.root_cert))
    assert active.name == "Vault CA Root Cert"
    assert active.signing_key_id == certificates.signing_key_id(intermediate)
    assert active.signing_key_id == certificates.signed_by_key_id(leaf)
    assert mesh.store.get(CA_SIGNERS, active.id) is None
    assert set(vault.engines) == {"root", "below/intermediate"}
    life_s = leaf.not_valid_after_utc.timestamp() - mesh.now_s
    assert life_s == LEAF_LIFE_S


async def test_what_is_there_is_used(mesh, vault):
    await mesh.authority.configure(wanted(vault))
    before = mesh.authority.active_root()

    await mesh.authority.configure(wanted(vault, LeafCertTTL="24h"))

    assert before.id == mesh.authority.active_root().id
    assert before.intermediate_certs == mesh.authority.active_root().intermediate_certs
    leaf = certificates.parse_certificate(await leaf_of(mesh))
    assert leaf.not_valid_after_utc.timestamp() == mesh.now_s + 24 * 3600


async def test_no_leaf_is_untrusted_on_the_way_to_vault_and_back(mesh, vault):
    """Peers know the old roots only, or the new ones too, and show old leaves or new ones."""
    seen = [(await leaf_of(mesh), await roots_pem(mesh))]
    for configuration in (wanted(vault), BUILTIN):
        await mesh.authority.configure(configuration)
        seen.append((await leaf_of(mesh), await roots_pem(mesh)))

    for (old_leaf, old_roots), (new_leaf, new_roots) in pairwise(seen):
        assert is_trusted(old_leaf, new_roots, mesh.now_s)
        assert is_trusted(new_leaf, old_roots, mesh.now_s)
        assert is_trusted(new_leaf, new_roots, mesh.now_s)
    assert not is_trusted(seen[0][0], [mesh.authority.active_root().root_cert], mesh.now_s)
    assert len(mesh.store.all(CA_ROOTS)) == 3


async def test_another_engine_of_vault_is_cross_signed_too(mesh, vault):
    await mesh.authority.configure(wanted(vault))
    old = await roots_pem(mesh)

    await mesh.authority.configure(wanted(vault, RootPKIPath="root2", IntermediatePKIPath="i2"))

    assert is_trusted(await leaf_of(mesh), old, mesh.now_s)
    assert len(mesh.authority.active_root().intermediate_certs) == 2


@pytest.mark.parametrize("several_issuers", [True, False])
async def test_intermediate_is_renewed_past_half_of_its_life(mesh, vault, several_issuers):
    vault.several_issuers = several_issuers
    await mesh.authority.configure(wanted(vault, IntermediateCertTTL="1000h"))
    upkeep, before = Upkeep(mesh.authority), mesh.authority.active_root()
    old_leaf = await leaf_of(mesh)

    mesh.now_s += 499 * 3600.0
    await upkeep.look()
    kept = mesh.authority.active_root()
    last_leaf = certificates.parse_certificate(await leaf_of(mesh))
    mesh.now_s += 2 * 3600.0
    await upkeep.look()

    after = mesh.authority.active_root()
    assert before == kept
    assert before.id == after.id
    assert before.signing_key_id != after.signing_key_id
    assert len(after.intermediate_certs) == 2  # with what leads to the builtin root
    new_leaf = await leaf_of(mesh)
    signed_by = certificates.signed_by_key_id(certificates.parse_certificate(new_leaf))
    assert signed_by == after.signing_key_id
    assert is_trusted(new_leaf, await roots_pem(mesh), mesh.now_s)
    assert not is_trusted(old_leaf, await roots_pem(mesh), mesh.now_s)  # its 72 hours are over
    intermediate = certificates.parse_certificate(signing_intermediate(before))
    assert last_leaf.not_valid_after_utc < intermediate.not_valid_after_utc


async def test_leaf_does_not_outlive_the_intermediate(mesh, vault):
    await mesh.authority.configure(wanted(vault, IntermediateCertTTL="216h"))
    mesh.now_s += 200 * 3600.0

    leaf = certificates.parse_certificate(await leaf_of(mesh))

    end_s = leaf.not_valid_after_utc.timestamp()
    assert mesh.now_s + 15 * 3600 <= end_s <= mesh.now_s + 16 * 3600


async def test_token_is_shown_nowhere(mesh, vault, caplog):
    await mesh.authority.configure(wanted(vault))

    shown = await mesh.http("GET", "/v1/connect/ca/configuration")
    written_back = CAConfiguration(provider="vault", config=shown.json.config)
    index = mesh.log.index
    await mesh.authority.configure(written_back)

    assert index == mesh.log.index  # nothing has changed
    assert shown.json.config["Token"] == "hidden"
    assert TOKEN not in str(shown.json)
    assert TOKEN not in str(mesh.store.get(CA_CONFIGURATION, "").config)
    await leaf_of(mesh)


async def test_a_vault_that_refuses_changes_nothing_and_says_why(mesh, vault):
    before = mesh.authority.active_root()
    vault.fail["root/root/generate/internal"] = 500

    with pytest.raises(Invalid) as refusal:
        await mesh.authority.configure(wanted(vault))
    vault.fail.clear()
    with pytest.raises(Invalid, match="403 permission denied"):
        await mesh.authority.configure(wanted(vault, Token="s.wr0ng"))

    assert str(refusal.value) == "Vault: POST root/root/generate/internal: 500 made to fail"
    assert before == mesh.authority.active_root()
    assert mesh.authority.configuration().provider == "consul"


async def test_the_way_back_needs_vault_or_force(mesh, vault):
    await mesh.authority.configure(wanted(vault))
    vault.fail["root/root/sign-self-issued"] = 403

    with pytest.raises(Invalid, match="sign-self-issued: 403"):
        await mesh.authority.configure(BUILTIN)
    forced = CAConfiguration(provider="consul", config={}, force_without_cross_signing=True)
    await mesh.authority.configure(forced)

    assert mesh.authority.active_root().intermediate_certs is None


async def test_another_root_in_the_engine_is_not_signed_under(mesh, vault):
    await mesh.authority.configure(wanted(vault, IntermediateCertTTL="216h"))
    vault.engines["root"] = vault.engines.pop("below/intermediate")
    vault.engines["below/intermediate"] = type(vault.engines["root"])()
    mesh.now_s += 150 * 3600.0

    with pytest.raises(Invalid, match="the root certificate at RootPKIPath is another one now"):
        await Upkeep(mesh.authority).look()


async def test_root_that_another_one_signed_is_refused(mesh, vault):
    await mesh.authority.configure(wanted(vault))

    with pytest.raises(Invalid, match="RootPKIPath is not self-signed"):
        await mesh.authority.configure(
            wanted(vault, RootPKIPath="below/intermediate", IntermediatePKIPath="x")
        )
