from catalog.commands import CAConfigure, CAPrune, CASerialTake
from catalog.errors import Conflict
from catalog.rows.connect import CAConfiguration, CARoot, CASigner
from catalog.tables import CA_CONFIGURATION, CA_ROOTS, CA_SIGNERS


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
