from catalog.chain.errors import GraphError
from catalog.errors import Invalid


def test_graph_error_is_answered_like_any_wrong_request():
    assert issubclass(GraphError, Invalid)
