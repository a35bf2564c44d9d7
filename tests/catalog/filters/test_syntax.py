from catalog.filters.syntax import Match, Operator


def test_selector_is_the_path_with_dots():
    assert Match(("Node", "Meta", "a"), Operator.IS_EMPTY).selector == "Node.Meta.a"
