from random import Random

from gossip.core.select import choose


def test_small_list_gives_every_item_that_fits():
    assert {2, 4} == set(choose(Random(1), [1, 2, 3, 4, 5], 3, lambda item: item % 2 == 0))


def test_large_list_gives_different_items_that_fit():
    chosen = choose(Random(1), range(1000), 3, lambda item: item >= 500)

    assert 3 == len(set(chosen))
    assert min(chosen) >= 500


def test_nothing_fits_gives_nothing():
    assert [] == choose(Random(1), range(50), 3, lambda _item: False)
    assert [] == choose(Random(1), [], 3, lambda _item: True)


def test_large_list_is_not_walked_through():
    asked = []
    choose(Random(1), range(100_000), 3, lambda item: not asked.append(item))

    assert len(asked) < 10


def test_every_item_is_chosen_about_as_often():
    rng, counts = Random(1), [0] * 10
    for _ in range(3000):
        for item in choose(rng, range(10), 3, lambda _item: True):
            counts[item] += 1

    assert 750 < min(counts)
    assert max(counts) < 1050
