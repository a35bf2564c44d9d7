import msgspec

from agent.mesh.xds.names import CLUSTER, ENDPOINTS, IN_ORDER, LISTENER, SECRET
from agent.mesh.xds.resources import resources_of
from tests.agent.mesh.xds.xds_world import CONFIG, IDENTITY


def test_every_type_is_there_by_name() -> None:
    resources = resources_of(CONFIG)

    assert set(IN_ORDER) == resources.keys()
    assert {"public", "api", "mesh"} == resources[LISTENER].keys()
    assert {"leaf:web", "roots"} == resources[SECRET].keys()


def test_keys_are_only_in_secrets() -> None:
    resources = resources_of(CONFIG)

    assert "key" in str(resources[SECRET])
    for type_url in (CLUSTER, ENDPOINTS, LISTENER):
        assert "'inline_string'" not in str(resources[type_url])


def test_a_renewed_leaf_changes_nothing_but_its_secret() -> None:
    renewed = msgspec.structs.replace(IDENTITY, certificates_pem="another")
    after = resources_of(msgspec.structs.replace(CONFIG, identities={"web": renewed}))

    before = resources_of(CONFIG)
    assert [SECRET] == [type_url for type_url in IN_ORDER if before[type_url] != after[type_url]]
