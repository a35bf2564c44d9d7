import asyncio

import pytest
from cryptography import x509
from msgspec.structs import replace
from structlog.testing import capture_logs

from agent.connect import certificates, holder
from agent.connect.keys import from_pem, kind_of
from agent.rpc.endpoints.connect import CARevoke
from catalog.errors import Invalid
from catalog.rows.connect import CAConfiguration
from catalog.tables import CA_ROOTS
from tests.agent.connect.mesh import Mesh

LEAF_LIFE_S = 72 * 3600.0


def dns_names(leaf):
    extensions = certificates.parse_certificate(leaf.cert_pem).extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)


async def test_leaf_has_its_key_and_is_given_again(mesh):
    first = await mesh.leaves.get("web", "")
    again = await mesh.leaves.get("web", "")

    certificate = certificates.parse_certificate(first.leaf.cert_pem)
    assert certificates.belongs(certificate, from_pem(first.leaf.private_key_pem))
    assert first.leaf == again.leaf
    assert (first.hit, again.hit) == (False, True)


async def test_callers_at_the_same_time_get_the_same_leaf(mesh):
    one, other = await asyncio.gather(mesh.leaves.get("web", ""), mesh.leaves.get("web", ""))

    assert one.leaf == other.leaf


async def test_services_and_tokens_have_leaves_of_their_own(mesh):
    leaves = [await mesh.leaves.get(*owner) for owner in (("a", ""), ("b", ""), ("a", "t"))]

    assert len({served.leaf.serial_number for served in leaves}) == 3


async def test_expired_leaf_is_not_given(mesh):
    first = await mesh.leaves.get("web", "")
    mesh.now_s += LEAF_LIFE_S + 1

    second = await mesh.leaves.get("web", "")

    assert first.leaf.serial_number != second.leaf.serial_number


async def test_waiting_ends_with_the_same_leaf_when_time_is_up(mesh):
    first = await mesh.leaves.get("web", "")

    same = await mesh.leaves.get("web", "", first.leaf.modify_index, wait_s=0.01)

    assert first.leaf == same.leaf


async def test_leaf_is_renewed_before_its_end_and_wakes_who_waits(mesh):
    first = await mesh.leaves.get("web", "")
    waiter = asyncio.ensure_future(mesh.leaves.get("web", "", first.leaf.modify_index, wait_s=5.0))
    mesh.now_s += 0.91 * LEAF_LIFE_S

    await mesh.leaves.get("other", "")  # its leaf is new, so the clock is looked at

    renewed = await waiter
    assert first.leaf.modify_index < renewed.leaf.modify_index


async def test_another_root_renews_leaves_soon(mesh, monkeypatch):
    monkeypatch.setattr("agent.connect.renewal.SPREAD_S", 0.0)
    first = await mesh.leaves.get("web", "")
    waiter = asyncio.ensure_future(mesh.leaves.get("web", "", first.leaf.modify_index, wait_s=5.0))
    await asyncio.sleep(0)  # the watch of the roots has to have begun

    await mesh.authority.configure(
        CAConfiguration(provider="consul", config={"PrivateKeyBits": 384})
    )

    renewed = await waiter
    assert renewed.leaf.cert_pem.count("BEGIN CERTIFICATE") == 2


async def test_no_leaf_without_a_root():
    mesh = Mesh()

    with pytest.raises(Invalid, match="no active root certificate"):
        await mesh.leaves.get("web", "")
    await mesh.close()


async def test_a_gateways_leaf_names_its_hosts(mesh):
    served = await mesh.leaves.get("gw", "", dns_names=("*.ingress.consul", "a.example"))
    other = await mesh.leaves.get("gw", "")

    assert dns_names(served.leaf) == ["*.ingress.consul", "a.example"]
    assert dns_names(other.leaf) == []


async def test_mesh_gateways_and_the_agent_have_leaves_too(mesh):
    gateway = (await mesh.leaves.get_for(holder.mesh_gateway(), "")).leaf
    agent = (await mesh.leaves.get_for(holder.agent("n1"), "")).leaf

    assert gateway.kind == "mesh-gateway"
    assert gateway.kind_uri.endswith(".consul/gateway/mesh/dc/dc1")
    assert agent.agent_uri.endswith(".consul/agent/client/dc/dc1/id/n1")
    assert dns_names(agent) == ["localhost"]


async def test_wrong_host_names_are_refused(mesh):
    with pytest.raises(Invalid, match="certificate asked for with a wrong name"):
        await mesh.leaves.get("gw", "", dns_names=("é.example",))


async def test_key_of_a_leaf_is_small_whatever_the_root_is(mesh):
    await mesh.authority.configure(
        CAConfiguration(provider="consul", config={"PrivateKeyType": "rsa"})
    )

    leaf = (await mesh.leaves.get("web", "")).leaf

    assert kind_of(from_pem(leaf.private_key_pem)) == ("ec", 256)


async def test_a_revoked_leaf_is_replaced_at_once(mesh):
    first = (await mesh.leaves.get("web", "")).leaf
    other = (await mesh.leaves.get("other", "")).leaf

    await mesh.router.call(CARevoke(serial=first.serial_number))
    renewed = (await mesh.leaves.get("web", "", first.modify_index, wait_s=5.0)).leaf

    assert first.serial_number != renewed.serial_number
    assert first.private_key_pem != renewed.private_key_pem
    assert other == (await mesh.leaves.get("other", "")).leaf


async def test_a_failing_renewal_is_tried_again_and_becomes_an_alarm(mesh, monkeypatch):
    monkeypatch.setattr("agent.connect.renewal.RETRY_S", 1000.0)
    await mesh.leaves.get("web", "")
    (entry,) = mesh.leaves._entries.values()
    entry.renew_at_s = mesh.now_s + 0.6 * LEAF_LIFE_S
    for root in mesh.store.all(CA_ROOTS):
        mesh.store.put(CA_ROOTS, replace(root, active=False))

    with capture_logs() as logs:
        mesh.now_s += 0.7 * LEAF_LIFE_S
        await mesh.leaves._renew_due()
        await mesh.leaves._renew_due()  # not due again yet
        mesh.now_s += 0.1 * LEAF_LIFE_S
        await mesh.leaves._renew_due()

    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("leaf not renewed yet", "warning"),
        ("leaf certificate about to expire", "error"),
    ]
    assert round(mesh.leaves.expires_in_s()) == round(0.2 * LEAF_LIFE_S)


async def test_busy_servers_are_asked_again_in_windows_that_grow(mesh):
    await mesh.authority.configure(
        CAConfiguration(provider="consul", config={"CSRMaxPerSecond": 0.001})
    )
    await mesh.leaves.get("web", "")
    (entry,) = mesh.leaves._entries.values()
    pauses_s = []

    for _ in range(20):
        entry.renew_at_s = mesh.now_s
        await mesh.leaves._renew_due()
        pauses_s.append(entry.renew_at_s - mesh.now_s)

    assert entry.failures == 20
    assert 0 <= pauses_s[0] <= 30.0
    assert max(pauses_s) > 60.0


async def test_without_leaves_none_ends(mesh):
    assert mesh.leaves.expires_in_s() is None


async def test_who_does_not_wait_gets_a_leaf_of_the_present_root(mesh):
    first = (await mesh.leaves.get("web", "")).leaf
    await mesh.authority.rotate()
    mesh.leaves._roots_are(await mesh.roots())

    second = await mesh.leaves.get("web", "")

    assert first.serial_number != second.leaf.serial_number
    assert not second.hit
    assert (await mesh.leaves.get("web", "")).hit


async def test_who_does_not_wait_gets_the_old_leaf_while_signing_is_busy(mesh):
    first = (await mesh.leaves.get("web", "")).leaf
    await mesh.authority.configure(
        CAConfiguration(provider="consul", config={"CSRMaxPerSecond": 0.001})
    )
    await mesh.leaves.get("other", "")
    await mesh.authority.rotate()
    mesh.leaves._roots_are(await mesh.roots())

    assert first == (await mesh.leaves.get("web", "")).leaf
