from proxy.core import memo
from proxy.core.memo import Memo


def test_same_value_is_made_once() -> None:
    made: list[object] = []
    remember = Memo(lambda key: made.append(key) or len(made))
    key = ["a"]

    assert remember(key) == remember(key) == 1


def test_equal_values_are_told_apart() -> None:
    remember = Memo(id)
    one, other = ["a"], ["a"]

    assert (id(one), id(other)) == (remember(one), remember(other))


def test_oldest_is_forgotten_beyond_the_limit() -> None:
    made: list[object] = []
    remember = Memo(made.append)
    keys = [[number] for number in range(memo.MADE_MAX + 1)]

    for key in [*keys, keys[-1], keys[0]]:
        remember(key)

    assert [*keys, keys[0]] == made
