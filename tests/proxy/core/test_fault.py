import pytest

from proxy.api import Fault
from proxy.core.fault import NOTHING, Injection, inject

BOTH = Fault(delay_s=2.0, delay_percent=50.0, abort_status=503, abort_percent=10.0)


@pytest.mark.parametrize(
    ("fault", "draws", "expected"),
    [
        (None, (0.0, 0.0), Injection()),
        (Fault(), (0.0, 0.0), Injection()),
        (BOTH, (0.49, 0.09), Injection(2.0, 503)),
        (BOTH, (0.5, 0.09), Injection(0.0, 503)),
        (BOTH, (0.49, 0.1), Injection(2.0, 0)),
        (Fault(delay_s=1.0, delay_percent=100.0), (0.999, 0.0), Injection(1.0)),
        (Fault(abort_percent=100.0), (0.0, 0.0), Injection()),
    ],
)
def test_faults_are_put_in_for_their_shares(
    fault: Fault | None, draws: tuple[float, float], expected: Injection
) -> None:
    assert expected == inject(fault, *draws)


@pytest.mark.parametrize("fault", [None, Fault(), BOTH])
def test_nothing_is_put_in_a_request_that_is_spared(fault: Fault | None) -> None:
    assert NOTHING is inject(fault, 0.5, 0.1)
