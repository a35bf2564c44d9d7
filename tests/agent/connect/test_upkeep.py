import pytest
from structlog.testing import capture_logs

from agent.connect import certificates, holder
from agent.connect.certificates import Names
from agent.connect.keys import KeyKind, generate, to_pem
from agent.connect.requests import make_request
from agent.connect.upkeep import PRUNE_LEAF_LIVES, Upkeep
from catalog.rows.connect import CAConfiguration
from catalog.tables import CA_REVOCATIONS, CA_ROOTS, CA_SIGNERS
from tests.agent.connect.mesh import Mesh

KIND = KeyKind("ec", 256)
YEAR_S = 365 * 86400.0


def wanted(**config):
    return CAConfiguration(provider="consul", config=config)


async def leaf_of(mesh):
    domain = (await mesh.roots()).trust_domain
    names = Names(uri=holder.service("web").identity(domain, "dc1").uri)
    issued = await mesh.authority.sign(make_request(generate(KIND), names, "web"))
    return certificates.parse_certificate(issued.cert_pem)


async def test_a_root_is_followed_by_another_before_its_last_leaf_would_outlive_it(mesh):
    old = mesh.authority.active_root()
    upkeep = Upkeep(mesh.authority)

    mesh.now_s += 8.9 * YEAR_S
    await upkeep.look()
    before = mesh.authority.active_root()
    last = await leaf_of(mesh)
    mesh.now_s += 0.2 * YEAR_S
    await upkeep.look()

    new = mesh.authority.active_root()
    assert old == before
    assert old.id != new.id
    root = certificates.parse_certificate(old.root_cert)
    assert last.not_valid_after_utc < root.not_valid_after_utc
    crossed = certificates.parse_certificate(new.intermediate_certs[0])
    crossed.verify_directly_issued_by(root)
    # Not a week: whoever knows only the old root gets along until it ends.
    assert crossed.not_valid_after_utc == root.not_valid_after_utc
    assert mesh.authority.configuration().config == {
        "IntermediateCertTTL": "8760h",
        "LeafCertTTL": "72h",
        "RotationPeriod": "2160h",
    }


async def test_a_followed_root_is_left_alone(mesh):
    upkeep = Upkeep(mesh.authority)
    mesh.now_s += 9.1 * YEAR_S
    await upkeep.look()
    new = mesh.authority.active_root()

    await upkeep.look()

    assert new == mesh.authority.active_root()


@pytest.mark.parametrize(
    "config", [{"PrivateKey": to_pem(generate(KIND))}, {"DisableCrossSigning": True}]
)
async def test_a_root_that_must_not_be_followed_is_an_alarm(mesh, config):
    await mesh.authority.configure(wanted(**config))
    root, upkeep = mesh.authority.active_root(), Upkeep(mesh.authority)
    mesh.now_s += 9.1 * YEAR_S

    with capture_logs() as logs:
        await upkeep.look()
        await upkeep.look()  # not again at once

    assert root == mesh.authority.active_root()
    assert [entry["event"] for entry in logs] == ["root certificate about to expire"]


async def test_old_roots_and_revocations_go_when_their_leaves_are_dead(mesh):
    old = mesh.authority.active_root()
    await mesh.http("PUT", "/v1/connect/ca/revoke?serial=99")
    await mesh.authority.configure(wanted(PrivateKeyBits=384))

    await mesh.authority.prune(PRUNE_LEAF_LIVES)
    kept = len(mesh.store.all(CA_ROOTS))
    mesh.now_s += 145 * 3600.0
    await mesh.authority.prune(PRUNE_LEAF_LIVES)
    pruned = mesh.store.all(CA_ROOTS)
    mesh.now_s += 1.1 * YEAR_S
    await mesh.authority.prune(PRUNE_LEAF_LIVES)

    assert kept == 2
    assert [root.active for root in pruned] == [True]
    assert mesh.store.get(CA_SIGNERS, old.id) is None
    assert mesh.store.all(CA_REVOCATIONS) == []


async def test_without_an_authority_there_is_nothing_to_keep_up():
    mesh = Mesh()

    await Upkeep(mesh.authority).look()
    await mesh.authority.prune(PRUNE_LEAF_LIVES)

    assert mesh.store.all(CA_ROOTS) == []
