import pytest

from proxy.core.http2 import Limits
from proxy.core.http2_events import Failed, Unreadable
from tests.proxy.http2_speech import GOAWAY, RST_STREAM, greeted, heard, parted
from tests.proxy.odd_http2 import ODD, Odd

LIMITS = Limits(header_bytes_max=4096, header_count_max=100)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_what_is_odd_costs_no_more_than_it_must(odd: Odd):
    end = greeted(LIMITS)

    events = heard(end, odd.spoken)

    frames = parted(end.take())
    resets = [f[3][-1] for f in frames if f[0] == RST_STREAM and f[2] == 1]
    gone = [f[3][7] for f in frames if f[0] == GOAWAY]
    statuses = [event.status for event in events if isinstance(event, Unreadable)]
    failures = [int(event.code) for event in events if isinstance(event, Failed)]
    if odd.connection is not None:
        assert [odd.connection] == gone
        assert [odd.connection] == failures
        assert end.is_dead
    else:
        assert [] == gone
        assert ([] if odd.stream is None else [odd.stream]) == resets
        assert ([] if odd.status is None else [odd.status]) == statuses
        assert not end.is_dead


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_what_is_odd_is_so_however_it_is_cut(odd: Odd):
    whole, cut = greeted(LIMITS), greeted(LIMITS)

    expected = heard(whole, odd.spoken[:20_000])
    actual = []
    for start in range(0, min(len(odd.spoken), 20_000), 7):
        actual += heard(cut, odd.spoken[start : min(start + 7, 20_000)])

    assert expected == actual
    assert whole.take() == cut.take()
