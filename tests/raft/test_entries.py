import msgspec

from raft.entries import (
    Configuration,
    Server,
    SnapshotMeta,
    cluster_id,
    decode_configuration,
    encode_configuration,
    sole_configuration,
)

A = Server(0, "a", "10.0.0.1:8300")
B = Server(1, "b", "10.0.0.2:8300")


def test_equal_memberships_have_equal_bytes_whatever_their_order() -> None:
    assert encode_configuration(Configuration((A, B))) == encode_configuration(
        Configuration((B, A))
    )


def test_configuration_survives_the_round_trip() -> None:
    assert Configuration((A, B)) == decode_configuration(
        encode_configuration(Configuration((B, A)))
    )


def test_only_voters_are_counted_as_voters() -> None:
    assert Configuration((A, B)).voter_ids() == ("a",)


def test_clusters_that_were_bootstrapped_differently_have_different_ids() -> None:
    one = cluster_id(encode_configuration(sole_configuration("a", "10.0.0.1:8300")))
    other = cluster_id(encode_configuration(sole_configuration("b", "10.0.0.2:8300")))

    assert 16 == len(one) == len(other)
    assert one != other


def test_meta_has_the_keys_of_the_archive() -> None:
    meta = SnapshotMeta(
        id="2-7-1", index=7, term=2, configuration=Configuration((A,)), configuration_index=1
    )

    assert msgspec.json.decode(msgspec.json.encode(meta)) == {
        "Version": 1,
        "ID": "2-7-1",
        "Index": 7,
        "Term": 2,
        "Peers": None,
        "Configuration": {"Servers": [{"Suffrage": 0, "ID": "a", "Address": "10.0.0.1:8300"}]},
        "ConfigurationIndex": 1,
        "Size": 0,
    }


def test_a_simple_membership_says_nothing_of_joint_ones() -> None:
    payload = encode_configuration(Configuration((A, B)))

    assert {"Servers": [msgspec.to_builtins(A), msgspec.to_builtins(B)]} == msgspec.msgpack.decode(
        payload
    )


def test_a_joint_membership_names_each_member_once_as_the_newer_half_has_it() -> None:
    moved = Server(0, "a", "10.0.0.9:8300")
    joint = decode_configuration(encode_configuration(Configuration((moved,), (B, A))))

    assert joint.is_joint
    assert (moved, B) == joint.members()
    assert (("a",), ("a",)) == (joint.voter_ids(), joint.old_voter_ids())
