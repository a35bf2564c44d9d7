from catalog.commands import CAConfigure, CALeafIssued, CARevoke
from catalog.queries import connect
from catalog.rows.connect import CAConfiguration, CALeaf, CARevocation, CARoots


def test_without_an_authority_there_are_no_roots(replica):
    value, read = replica.read(connect.roots)

    assert CARoots(active_root_id="", trust_domain="", roots=()) == value
    assert read.watched


def test_configuration_moves_the_index(replica):
    assert (replica.read(connect.configuration)[0], 0) == (None, 0)
    stored = CAConfiguration(cluster_id="c", provider="consul", config={})
    replica.do(CAConfigure(configuration=stored, expected_index=0, now_s=0))

    value, read = replica.read(connect.configuration)

    assert value.provider == "consul"
    assert read.index == 1
    assert replica.read(connect.roots)[0].trust_domain == "c.consul"


def test_revocations_come_in_their_order_and_move_the_index(replica):
    for serial in ("0b", "0a"):
        row = CARevocation(serial=serial, revoked_at_s=1.0, expires_at_s=2.0)
        replica.do(CARevoke(revocations=(row,)))

    value, read = replica.read(connect.revocations)

    assert [row.serial for row in value] == ["0b", "0a"]
    assert read.index == 2
    assert replica.read(connect.is_revoked, "0a")[0]
    assert not replica.read(connect.is_revoked, "0c")[0]


def test_leaves_come_in_the_order_of_their_signing(replica):
    for serial in ("0b", "0a"):
        row = CALeaf(serial=serial, uri="u", root_id="r", expires_at_s=2.0)
        replica.do(CALeafIssued(leaf=row))

    value, read = replica.read(connect.leaves)

    assert [row.serial for row in value] == ["0b", "0a"]
    assert read.index == 2
