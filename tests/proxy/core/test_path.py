import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.api import HttpOptions
from proxy.core.path import Refusal, canonical, normalized_target, readings

DEFAULTS = HttpOptions()
AS_IT_IS = HttpOptions(normalize_path=False)
MERGING = HttpOptions(merge_slashes=True)
PATHS = st.lists(
    st.sampled_from(
        [
            b"a",
            b"/",
            b"//",
            b".",
            b"..",
            b"%2e",
            b"%2F",
            b"%5c",
            b"\\",
            b";x",
            b"%41",
            b"%",
            b"4",
            b"%31",
        ]
    ),
    max_size=12,
).map(lambda parts: b"/" + b"".join(parts))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/", b"/"),
        (b"*", b"*"),
        (b"/a/b?c", b"/a/b?c"),
        (b"/a/./b", b"/a/b"),
        (b"/a/../b", b"/b"),
        (b"/a/%2e%2E/b", b"/b"),
        (b"/a/.%2e/b", b"/b"),
        (b"/../../etc", b"/etc"),
        (b"/a/..", b"/"),
        (b"/a/b/.", b"/a/b/"),
        (b"/a\\..\\b", b"/b"),
        (b"/a/..;x/b/.;y", b"/b/"),
        (b"/a;x/b", b"/a;x/b"),
        (b"/%%36%31dmin", b"/%2561dmin"),
        (b"/%4%31", b"/%2541"),
        (b"/%61dmin/%7Eme", b"/admin/~me"),
        (b"/a/.../b/.c", b"/a/.../b/.c"),
        (b"/a?/../b", b"/a?/../b"),
    ],
)
def test_path_is_brought_to_one_form(target: bytes, expected: bytes) -> None:
    assert expected == normalized_target(target, DEFAULTS)


@pytest.mark.parametrize(
    "target", [b"/a%2Fb", b"/a%2fb", b"/a//b", b"/caf\xc3\xa9", b"/%C3%a9", b"/%"]
)
def test_other_bytes_arrive_unchanged(target: bytes) -> None:
    assert target == normalized_target(target, DEFAULTS)


@pytest.mark.parametrize("target", [b"/a/../b", b"/%2e", b"/a\\b", b"/a//b"])
def test_nothing_is_changed_if_normalisation_is_off(target: bytes) -> None:
    assert target == normalized_target(target, AS_IT_IS)


def test_slashes_are_merged_if_asked_for() -> None:
    assert b"/a/b/?c//d" == normalized_target(b"//a///b//?c//d", MERGING)


@pytest.mark.parametrize(
    "target", [b"", b"a", b"?a", b"/a b", b"/a#b", b"/a?b#c", b"/a\x00", b"/a%00", b"/\x7f", b"**"]
)
def test_malformed_target_is_refused(target: bytes) -> None:
    refused = normalized_target(target, AS_IT_IS)

    assert isinstance(refused, Refusal)
    assert 400 == refused.status


def test_escaped_zero_in_the_query_is_no_matter() -> None:
    assert b"/a?b=%00" == normalized_target(b"/a?b=%00", DEFAULTS)


@pytest.mark.parametrize(
    "target", [b"/%2fevil.example", b"/%2f%5cevil.example", b"/%5cevil.example"]
)
@pytest.mark.parametrize("normalize_path", [True, False])
def test_nobody_is_sent_to_another_host(target: bytes, normalize_path: bool) -> None:
    options = HttpOptions(escaped_slashes="UNESCAPE_AND_REDIRECT", normalize_path=normalize_path)

    refusal = normalized_target(target, options)

    assert isinstance(refusal, Refusal)
    assert refusal.location.startswith(b"/./")


@pytest.mark.parametrize("action", ["", "KEEP_UNCHANGED", "IMPLEMENTATION_SPECIFIC_DEFAULT"])
def test_escaped_slash_is_kept_by_default(action: str) -> None:
    assert b"/a%2F..%5cb" == normalized_target(b"/a%2F..%5cb", HttpOptions(escaped_slashes=action))


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("REJECT_REQUEST", Refusal(400, "the path has an escaped slash")),
        ("UNESCAPE_AND_FORWARD", b"/b?c"),
        ("UNESCAPE_AND_REDIRECT", Refusal(307, "the path has an escaped slash", b"/b?c")),
    ],
)
def test_escaped_slash_is_treated_as_configured(action: str, expected: bytes | Refusal) -> None:
    options = HttpOptions(escaped_slashes=action)

    assert expected == normalized_target(b"/a%2F..%5cb?c", options)
    assert b"/a%2e?%2F" != normalized_target(b"/a%20?%2F", options)


@given(
    PATHS,
    st.sampled_from(
        [DEFAULTS, MERGING, AS_IT_IS, HttpOptions(escaped_slashes="UNESCAPE_AND_FORWARD")]
    ),
)
@example(b"/%%325c", DEFAULTS)
def test_normalising_twice_is_normalising_once(path: bytes, options: HttpOptions) -> None:
    once = normalized_target(path, options)

    assert isinstance(once, bytes)
    assert once == normalized_target(once, options)


@given(PATHS)
def test_normal_path_has_no_dot_segment(path: bytes) -> None:
    normal = normalized_target(path, DEFAULTS)

    assert isinstance(normal, bytes)
    assert not {b".", b".."} & set(normal.split(b"/"))


@given(PATHS)
def test_canonical_path_has_nothing_to_argue_about(path: bytes) -> None:
    read = canonical(path)

    assert read.startswith(b"/")
    assert b"//" not in read
    assert b"\\" not in read
    assert b";" not in read
    assert not {b".", b".."} & set(read.split(b"/"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/a/b", (b"/a/b",)),
        (b"/a/.b", (b"/a/.b",)),
        (b"//a", (b"//a", b"/a")),
        (b"/a%2Fb", (b"/a%2Fb", b"/a/b")),
        (b"/a/..%2fb", (b"/a/..%2fb", b"/b")),
        (b"/a/..;/b", (b"/a/..;/b", b"/b")),
        (b"/a;v=1/b", (b"/a;v=1/b", b"/a/b")),
        (b"/a%3Bv/b", (b"/a%3Bv/b", b"/a/b")),
    ],
)
def test_readings_of_a_path(path: bytes, expected: tuple[bytes, ...]) -> None:
    assert expected == readings(path)
