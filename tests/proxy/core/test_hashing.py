from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.api import Balance, Endpoint, HashPolicy
from proxy.core.hashing import (
    RING_POINTS_MAX,
    Hashed,
    Maglev,
    Ring,
    Table,
    make_table,
    request_hash,
    stable_hash,
)
from proxy.core.request import RequestFacts
from proxy.http import Headers, RequestHead

KEYS = [stable_hash(b"key %d" % number) for number in range(2000)]
NAMES = [f"node{number}/web" for number in range(10)]


def always(_number: int) -> bool:
    return True


def hashed(
    *policies: HashPolicy, headers: Headers | None = None, target: bytes = b"/?user=me"
) -> Hashed:
    head = RequestHead(
        method=b"GET", scheme=b"http", authority=b"web", target=target, headers=headers or []
    )
    return request_hash(policies, RequestFacts(head), "10.0.0.1", lambda: 0.5)


# Of a request.


def test_hash_is_the_same_everywhere_and_always() -> None:
    assert 0x508009649AA59674 == stable_hash(b"web")


def test_no_policies_give_no_hash() -> None:
    assert Hashed() == hashed()


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (HashPolicy(header="X-User"), b"you"),
        (HashPolicy(cookie="session"), b"abc"),
        (HashPolicy(query_param="user"), b"me"),
        (HashPolicy(source_ip=True), b"10.0.0.1"),
    ],
)
def test_what_a_policy_names_is_hashed(policy: HashPolicy, text: bytes) -> None:
    headers = [(b"x-user", b"you"), (b"Cookie", b"session=abc")]

    assert Hashed(stable_hash(text)) == hashed(policy, headers=headers)


def test_what_is_not_there_gives_no_hash() -> None:
    assert Hashed() == hashed(
        HashPolicy(header="x"), HashPolicy(cookie="x"), HashPolicy(query_param="x"), HashPolicy()
    )


def test_terminal_policy_ends_it_only_if_there_is_a_hash() -> None:
    missing = HashPolicy(header="x", terminal=True)
    user = HashPolicy(query_param="user", terminal=True)
    source = HashPolicy(source_ip=True)

    assert Hashed(stable_hash(b"me")) == hashed(missing, user, source)


def test_several_policies_are_mixed_in_their_order() -> None:
    user, source = HashPolicy(query_param="user"), HashPolicy(source_ip=True)
    one, other = hashed(user, source).value, hashed(source, user).value

    assert one is not None
    assert 0 <= one < 2**64
    assert 4 == len({one, other, hashed(user).value, hashed(source).value})


def test_cookie_is_made_where_it_may_be_and_hashes_the_same_when_it_comes_back() -> None:
    policy = HashPolicy(cookie="session", cookie_ttl_s=60.0, cookie_path="/a")

    first = hashed(policy)
    value = first.set_cookie.partition(b"=")[2].partition(b";")[0]

    assert first.set_cookie.endswith(b"; Max-Age=60; Path=/a; HttpOnly")
    assert Hashed(first.value) == hashed(policy, headers=[(b"cookie", b"session=" + value)])


def test_session_cookie_has_no_age_and_none_is_made_unasked() -> None:
    assert b"Max-Age" not in hashed(HashPolicy(cookie="s", cookie_ttl_s=0.0)).set_cookie
    assert Hashed() == hashed(HashPolicy(cookie="s"))


# Tables.


def ring(names: list[str], weights: list[int] | None = None) -> Table:
    return Ring(names, weights or [1] * len(names), 1024, 8_388_608)


def maglev(names: list[str], weights: list[int] | None = None) -> Table:
    return Maglev(names, weights or [1] * len(names))


TABLES = pytest.mark.parametrize("make", [ring, maglev])


@TABLES
def test_endpoints_get_their_share(make: type) -> None:
    weights = [1, 1, 2, 4, 2]
    table = make(NAMES[:5], weights)

    found = Counter(table.find(key, always) for key in KEYS)

    for number, weight in enumerate(weights):
        assert found[number] / len(KEYS) == pytest.approx(weight / 10, rel=0.35)


@TABLES
@given(gone=st.integers(0, 9))
def test_endpoint_that_leaves_moves_only_its_own_hashes(make: type, gone: int) -> None:
    names = [name for name in NAMES if name != NAMES[gone]]
    before, after = make(NAMES), make(names)

    moved = 0
    for key in KEYS[:500]:
        owner = NAMES[before.find(key, always)]
        moved += owner not in {NAMES[gone], names[after.find(key, always)]}

    # A ring moves nothing else; Maglev promises little (its table is filled in turns).
    assert moved <= (0 if make is ring else 500 * 0.1)


@TABLES
@given(away=st.sets(st.integers(0, 9), max_size=9))
def test_endpoint_set_aside_moves_only_its_own_hashes(make: type, away: set[int]) -> None:
    table = make(NAMES)

    for key in KEYS[:200]:
        before = table.find(key, always)
        during = table.find(key, lambda number: number not in away)

        assert during not in away
        assert before == during or before in away


@TABLES
def test_order_of_a_configuration_moves_nothing(make: type) -> None:
    table, turned = make(NAMES), make(NAMES[::-1])

    for key in KEYS[:200]:
        assert NAMES[table.find(key, always)] == NAMES[::-1][turned.find(key, always)]


@TABLES
def test_one_endpoint_has_all_hashes(make: type) -> None:
    assert {0} == {make(["a"]).find(key, always) for key in [0, 2**64 - 1, *KEYS[:50]]}


@pytest.mark.parametrize(
    ("count", "weight", "size_min", "size_max", "expected"),
    [
        (10, 1, 1024, 8_388_608, 1280),
        (8, 1, 1024, 8_388_608, 1024),
        (10, 1, 1024, 50, 40),
        (10, 1, 1024, 5, 10),
        (10, 128, 8_388_608, 8_388_608, 81_920),
        (10, 128, 1, 8_388_608, 10),
    ],
)
def test_size_of_a_ring_is_bounded_by_the_configuration_and_by_us(
    count: int, weight: int, size_min: int, size_max: int, expected: int
) -> None:
    names = [str(number) for number in range(count)]

    assert expected == len(Ring(names, [weight] * count, size_min, size_max))
    assert expected <= RING_POINTS_MAX


def test_maglev_table_grows_with_the_endpoints() -> None:
    assert [2039, 16_381, 65_537, 65_537] == [
        len(Maglev([str(each) for each in range(count)], [1] * count))
        for count in (20, 21, 164, 700)
    ]


@pytest.mark.parametrize(
    ("policy", "kind"), [("ring_hash", Ring), ("maglev", Maglev), ("random", type(None))]
)
def test_policies_that_hash_have_a_table(policy: str, kind: type) -> None:
    table = make_table(Balance(policy=policy), [Endpoint(id="a"), Endpoint(id="b", weight=3)])

    assert isinstance(table, kind)


@TABLES
def test_asking_for_nobody_is_our_bug(make: type) -> None:
    with pytest.raises(AssertionError):
        make(["a"]).find(1, lambda _number: False)
