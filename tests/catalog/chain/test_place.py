from catalog.chain.place import Place

WEB = Place("web", "v1", "dc1")


def test_subset_stays_unless_the_service_changes():
    assert Place("web", "v1", "dc2") == WEB.moved(datacenter="dc2")
    assert Place("web", "v1", "dc1") == WEB.moved("web")
    assert Place("api", "", "dc1") == WEB.moved("api")


def test_place_of_a_peer_has_neither_subset_nor_datacenter():
    place = WEB.moved("api", peer="west")

    assert Place("api", "", "", "west") == place
    assert "api.default.default.external.west" == place.id
    assert "v1.web.default.dc1" == WEB.id
