from catalog.commands import CAConfigure
from catalog.queries import connect
from catalog.rows.connect import CAConfiguration, CARoots


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
