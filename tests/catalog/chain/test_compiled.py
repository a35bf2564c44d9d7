import pytest

from catalog.chain.compiled import ChainNode, is_http_like, target_id


def test_ids_say_what_they_name():
    assert target_id("web", "", "dc1") == "web.default.dc1"
    assert target_id("web", "v1", "dc1") == "v1.web.default.dc1"
    assert ChainNode(type="router", name="web.default").key == "router:web.default"


@pytest.mark.parametrize(
    ("protocol", "expected"), [("http", True), ("http2", True), ("grpc", True), ("tcp", False)]
)
def test_protocols_of_requests_can_be_routed(protocol, expected):
    assert expected is is_http_like(protocol)
