import asyncio

import pytest

from agent.connect import certificates
from agent.connect.keys import from_pem
from catalog.errors import Invalid
from catalog.rows.connect import CAConfiguration
from tests.agent.connect.mesh import Mesh

LEAF_LIFE_S = 72 * 3600.0


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
    monkeypatch.setattr("agent.connect.leaf.ROOT_SPREAD_S", 0.0)
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
