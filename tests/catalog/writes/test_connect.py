from catalog.commands import CAConfigure, CALeafIssued, CAPrune, CARevoke, CASerialTake
from catalog.errors import Conflict, TooLarge
from catalog.rows.connect import CAConfiguration, CALeaf, CARevocation, CARoot, CASigner
from catalog.tables import CA_CONFIGURATION, CA_LEAVES, CA_REVOCATIONS, CA_ROOTS, CA_SIGNERS


def root(name):
    return CARoot(
        id=name,
        name=name,
        serial_number=1,
        signing_key_id="k",
        external_trust_domain="c",
        not_before="",
        not_after="",
        root_cert="pem",
        active=True,
        private_key_type="ec",
        private_key_bits=256,
    )


def configure(name=None, expected_index=0, now_s=100.0):
    return CAConfigure(
        configuration=CAConfiguration(cluster_id="c", provider="consul", config={}),
        expected_index=expected_index,
        root=root(name) if name else None,
        signer=CASigner(root_id=name, private_key="key") if name else None,
        now_s=now_s,
    )


def roots(replica):
    return {row.id: row.active for row in replica.store.all(CA_ROOTS)}


def test_newest_root_is_the_active_one(replica):
    replica.do(configure("a"))
    replica.do(configure("b", expected_index=1))

    assert roots(replica) == {"a": False, "b": True}
    assert replica.store.get(CA_ROOTS, "a").rotated_out_s == 100.0
    assert (
        replica.store.get(CA_CONFIGURATION, "").create_index,
        replica.store.get(CA_CONFIGURATION, "").modify_index,
    ) == (1, 2)


def test_configuration_without_a_root_leaves_the_roots_alone(replica):
    replica.do(configure("a"))
    index = replica.store.last_index(CA_ROOTS.name)

    replica.do(configure(expected_index=1))

    assert roots(replica) == {"a": True}
    assert index == replica.store.last_index(CA_ROOTS.name)


def test_change_of_an_older_configuration_is_refused(replica):
    replica.do(configure("a"))

    assert isinstance(replica.apply(configure("b")), Conflict)
    assert roots(replica) == {"a": True}


def test_serial_numbers_are_never_given_twice(replica):
    assert [replica.do(CASerialTake()), replica.do(CASerialTake())] == [(1, 1), (2, 2)]


def test_only_roots_that_were_replaced_long_ago_are_pruned(replica):
    replica.do(configure("a", now_s=0))
    replica.do(configure("b", expected_index=1, now_s=100.0))
    replica.do(configure("c", expected_index=2, now_s=200.0))

    assert replica.do(CAPrune(rotated_out_before_s=150.0)) == 1
    assert roots(replica) == {"b": False, "c": True}
    assert replica.store.get(CA_SIGNERS, "a") is None
    assert replica.do(CAPrune(rotated_out_before_s=150.0)) == 0


def revoke(serial, reason=""):
    row = CARevocation(serial=serial, reason=reason, revoked_at_s=100.0, expires_at_s=200.0)
    return CARevoke(revocations=(row,))


def test_a_leaf_is_revoked_once(replica):
    (first,) = replica.do(revoke("0a", "stolen"))
    (again,) = replica.do(revoke("0a", "another reason"))

    assert first == again
    assert (first.create_index, first.modify_index) == (1, 1)
    assert replica.store.last_index(CA_REVOCATIONS.name) == 1


def test_revocations_are_forgotten_when_the_leaf_has_ended(replica):
    replica.do(revoke("0a"))

    replica.do(CAPrune(rotated_out_before_s=0, now_s=200.0))
    kept = len(replica.store.all(CA_REVOCATIONS))
    replica.do(CAPrune(rotated_out_before_s=0, now_s=200.5))

    assert kept == 1
    assert replica.store.all(CA_REVOCATIONS) == []


def test_too_many_revocations_are_refused(replica, monkeypatch):
    monkeypatch.setattr("catalog.writes.connect.REVOCATIONS_MAX", 1)
    replica.do(revoke("0a"))

    assert isinstance(replica.apply(revoke("0b")), TooLarge)


def leaf(serial):
    return CALeafIssued(leaf=CALeaf(serial=serial, uri="u", root_id="r", expires_at_s=200.0))


def test_leaves_are_noted_until_they_end(replica):
    assert replica.do(leaf("0a")) == 1
    assert replica.store.get(CA_LEAVES, "0a").create_index == 1

    replica.do(CAPrune(rotated_out_before_s=0, now_s=201.0))

    assert replica.store.all(CA_LEAVES) == []


def test_leaves_beyond_the_limit_live_unnoted(replica, monkeypatch):
    monkeypatch.setattr("catalog.writes.connect.LEAVES_MAX", 1)

    assert [replica.do(leaf("0a")), replica.do(leaf("0b"))] == [1, 2]
    assert replica.store.count(CA_LEAVES) == 1
