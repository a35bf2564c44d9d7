from catalog.chain.overrides import Overrides, customization_hash
from catalog.duration import SECOND


def test_hash_is_the_one_that_consul_makes():
    # Recorded of Consul 1.9.8.
    assert customization_hash(Overrides(protocol="http", connect_timeout=7 * SECOND)) == "89a4d3b7"


def test_nothing_changed_has_no_hash():
    assert customization_hash(Overrides()) == ""
