from proxy.core import memo
from proxy.core.memo import Memo


def one(_key: object) -> int:
    return 1


def test_same_value_is_made_once() -> None:
    made: list[object] = []
    remember = Memo(lambda key: made.append(key) or len(made), one)
    key = ["a"]

    assert remember(key) == remember(key) == 1


def test_equal_values_are_told_apart() -> None:
    remember = Memo(id, one)
    this, other = ["a"], ["a"]

    assert (id(this), id(other)) == (remember(this), remember(other))


def test_oldest_is_forgotten_beyond_the_limit() -> None:
    made: list[object] = []
    remember = Memo(made.append, lambda _key: memo.PARTS_MAX // 2)
    keys = [[number] for number in range(3)]

    for key in [*keys, keys[1], keys[2], keys[0]]:
        remember(key)

    assert [*keys, keys[0]] == made


def test_one_larger_than_the_limit_is_remembered_all_the_same() -> None:
    made: list[object] = []
    remember = Memo(made.append, lambda _key: memo.PARTS_MAX * 2)
    key = ["a"]

    remember(key)
    remember(key)

    assert [key] == made
