import tracemalloc

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.wire.errors import Reason, WireError
from gossip.wire.extent import Extent, extent

LIMITS = {"depth_max": 8, "items_max": 1000}
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=40),
    st.binary(max_size=300),
    st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=40)),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=5), inner, max_size=20)
    ),
    max_leaves=30,
)


@given(values, st.binary(max_size=5), st.booleans())
def test_it_ends_where_msgpack_ends(value, trailing, old_spec):
    packed = msgpack.packb(value, use_bin_type=not old_spec)

    assert len(packed) == extent(packed + trailing, depth_max=40, items_max=1000)


@given(values)
def test_byte_by_byte_it_ends_at_the_last_byte(value):
    packed = msgpack.packb(value)
    measured = Extent(0, depth_max=40, items_max=1000, bytes_max=len(packed))

    ends = [measured.advance(packed[:length]) for length in range(len(packed) + 1)]

    assert [None] * len(packed) + [len(packed)] == ends


@given(st.binary(max_size=200))
def test_random_bytes_end_or_are_refused(packed):
    try:
        end = extent(packed, **LIMITS)
    except WireError:
        return
    assert 0 < end <= len(packed)


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (b"", Reason.TRUNCATED),
        (b"\x82\xa1a\x01\xa1b", Reason.TRUNCATED),
        (b"\xc1", Reason.MALFORMED),
        (b"\xdd\xff\xff\xff\xff", Reason.OVERSIZED),
        (b"\xdf\xff\xff\xff\xff", Reason.OVERSIZED),
        (b"\xdb\xff\xff\xff\xff", Reason.OVERSIZED),
        (b"\xc6\xff\xff\xff\xff", Reason.OVERSIZED),
        (b"\x91" * 9 + b"\x01", Reason.OVERSIZED),
    ],
)
def test_limits_are_refused_as_soon_as_they_are_declared(packed, reason):
    with pytest.raises(WireError) as refused:
        extent(packed, **LIMITS)

    assert reason is refused.value.reason


def test_a_declared_count_allocates_nothing():
    tracemalloc.start()
    measured = Extent(0, depth_max=8, items_max=2**40, bytes_max=2**40)
    assert measured.advance(b"\xdd\xff\xff\xff\xff") is None
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 4096
