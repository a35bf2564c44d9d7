import pytest
from msgspec.structs import replace

from agent.connect import certificates
from agent.connect.certificates import Life, Names, Subject
from agent.connect.keys import KeyKind, generate, to_pem
from agent.connect.limits import RateLimited
from agent.connect.requests import make_request
from agent.connect.spiffe import ServiceIdentity
from catalog.commands import CAPrune, encode
from catalog.errors import BadRequest, Invalid
from catalog.rows.connect import CAConfiguration
from catalog.tables import CA_CONFIGURATION, CA_ROOTS, CA_SIGNERS
from tests.agent.connect.mesh import Mesh

KIND = KeyKind("ec", 256)


def wanted(**config):
    return CAConfiguration(provider="consul", config=config)


def configuration(mesh):
    return mesh.store.get(CA_CONFIGURATION, "")


def active(mesh):
    (root,) = (root for root in mesh.store.all(CA_ROOTS) if root.active)
    return root


def request(mesh, *, datacenter="dc1", trust_domain=None):
    domain = trust_domain or f"{configuration(mesh).cluster_id}.consul"
    identity = ServiceIdentity(trust_domain=domain, datacenter=datacenter, service="web")
    return make_request(generate(KIND), Names(uri=identity.uri), "web")


def root_of(key, mesh):
    subject = Subject(Names(uri="spiffe://x"), "mine", key.public_key())
    return certificates.make_root(key, subject, 99, Life(mesh.now_s, 1e8))


async def test_first_start_makes_one_root_and_the_next_keeps_it(mesh):
    root = active(mesh)

    await mesh.authority.start("consul", {})

    assert [root] == mesh.store.all(CA_ROOTS)
    assert (root.private_key_type, root.private_key_bits) == ("ec", 256)


async def test_wrong_configuration_at_the_start_leaves_the_server_running():
    mesh = Mesh()

    await mesh.authority.start("vault", {})
    await mesh.close()

    assert configuration(mesh) is None


async def test_leaf_is_signed_by_the_active_root_with_the_next_serial(mesh):
    first = await mesh.authority.sign(request(mesh))
    second = await mesh.authority.sign(request(mesh))

    leaf = certificates.parse_certificate(first.cert_pem)
    leaf.verify_directly_issued_by(certificates.parse_certificate(active(mesh).root_cert))
    assert (first.serial_number, second.serial_number) == ("02", "03")
    assert first.modify_index < second.modify_index
    assert first.private_key_pem == ""


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"trust_domain": "other.consul"}, "from a different trust domain: other.consul"),
        ({"datacenter": "dc2"}, "from a different datacenter: dc2, we are dc1"),
    ],
)
async def test_identities_of_others_are_not_signed(mesh, fields, text):
    with pytest.raises(Invalid, match=text):
        await mesh.authority.sign(request(mesh, **fields))


async def test_request_that_is_none_is_refused(mesh):
    with pytest.raises(Invalid):
        await mesh.authority.sign("x")


async def test_more_signing_than_allowed_is_told_to_come_back(mesh):
    await mesh.authority.configure(wanted(CSRMaxPerSecond=0.01))
    await mesh.authority.sign(request(mesh))

    with pytest.raises(RateLimited):
        await mesh.authority.sign(request(mesh))


async def test_new_key_makes_a_new_root_that_the_old_one_vouches_for(mesh):
    old = active(mesh)
    key = to_pem(generate(KIND))

    await mesh.authority.configure(wanted(PrivateKey=key))

    new = active(mesh)
    crossed = certificates.parse_certificate(new.intermediate_certs[0])
    crossed.verify_directly_issued_by(certificates.parse_certificate(old.root_cert))
    assert len(mesh.store.all(CA_ROOTS)) == 2
    issued = await mesh.authority.sign(request(mesh))
    assert issued.cert_pem.count("BEGIN CERTIFICATE") == 2


async def test_key_is_kept_by_what_is_shown_in_its_place(mesh):
    key = to_pem(generate(KIND))
    await mesh.authority.configure(wanted(PrivateKey=key))
    root = active(mesh)

    await mesh.authority.configure(wanted(PrivateKey="hidden", LeafCertTTL="24h"))
    await mesh.authority.configure(wanted(PrivateKey=key, LeafCertTTL="25h"))

    assert root == active(mesh)
    assert configuration(mesh).config["PrivateKey"] == "hidden"
    assert configuration(mesh).config["LeafCertTTL"] == "25h"


async def test_same_configuration_changes_nothing(mesh):
    before = configuration(mesh)

    await mesh.authority.configure(replace(before, state={}))

    assert before == configuration(mesh)


async def test_rsa_root_signs_too(mesh):
    await mesh.authority.configure(wanted(PrivateKeyType="rsa"))

    issued = await mesh.authority.sign(request(mesh))

    leaf = certificates.parse_certificate(issued.cert_pem)
    leaf.verify_directly_issued_by(certificates.parse_certificate(active(mesh).root_cert))
    assert active(mesh).private_key_type == "rsa"


async def test_root_of_a_user_is_used_as_it_is(mesh):
    key = generate(KIND)
    pem = root_of(key, mesh)

    await mesh.authority.configure(wanted(PrivateKey=to_pem(key), RootCert=pem))

    assert pem == active(mesh).root_cert
    assert active(mesh).serial_number == 99


async def test_root_of_another_key_is_refused(mesh):
    pem = root_of(generate(KIND), mesh)

    with pytest.raises(Invalid, match="RootCert does not belong to PrivateKey"):
        await mesh.authority.configure(wanted(PrivateKey=to_pem(generate(KIND)), RootCert=pem))
    with pytest.raises(Invalid, match="error parsing root cert"):
        await mesh.authority.configure(wanted(PrivateKey=to_pem(generate(KIND)), RootCert="x"))


async def test_authority_without_cross_signing_rotates_only_by_force(mesh):
    await mesh.authority.configure(wanted(DisableCrossSigning=True))
    change = wanted(PrivateKey=to_pem(generate(KIND)))

    with pytest.raises(Invalid, match="does not support cross-signing"):
        await mesh.authority.configure(change)
    await mesh.authority.configure(replace(change, force_without_cross_signing=True))

    assert active(mesh).intermediate_certs is None


async def test_unknown_provider_bad_key_and_given_state_are_refused(mesh):
    with pytest.raises(Invalid, match='could not initialize provider: unknown CA provider "x"'):
        await mesh.authority.configure(CAConfiguration(provider="x", config={}))
    with pytest.raises(Invalid, match="could not initialize provider: failed to decode"):
        await mesh.authority.configure(wanted(PrivateKey="x"))
    with pytest.raises(BadRequest, match="CA Provider State is read-only"):
        await mesh.authority.configure(replace(wanted(), state={"a": "b"}))


async def test_too_many_roots_are_refused(mesh, monkeypatch):
    monkeypatch.setattr("agent.connect.authority.ROOTS_MAX", 2)
    await mesh.authority.rotate()

    with pytest.raises(BadRequest, match="there are 2 root certificates that leaves may chain to"):
        await mesh.authority.rotate()
    await mesh.authority.configure(wanted(LeafCertTTL="24h"))


async def test_pruned_root_goes_with_its_key(mesh):
    old = active(mesh)
    await mesh.authority.configure(wanted(PrivateKey=to_pem(generate(KIND))))

    pruned = mesh.machine.apply(99, encode(CAPrune(rotated_out_before_s=mesh.now_s + 1)))

    assert pruned == 1
    assert [active(mesh)] == mesh.store.all(CA_ROOTS)
    assert mesh.store.get(CA_SIGNERS, old.id) is None
