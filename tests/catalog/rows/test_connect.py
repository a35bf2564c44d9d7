from catalog.rows.connect import CAConfiguration, CASigner, trust_domain
from catalog.shape import to_json


def test_private_keys_and_the_clusters_id_are_never_shown():
    signer = CASigner(root_id="a", private_key="secret")
    configuration = CAConfiguration(cluster_id="c", provider="consul", config={})

    assert "secret" not in str(to_json(signer))
    assert "ClusterID" not in to_json(configuration)


def test_trust_domain_is_the_clusters_id():
    assert trust_domain("c") == "c.consul"
