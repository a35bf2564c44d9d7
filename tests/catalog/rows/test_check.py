import pytest

from catalog.rows.check import (
    NODE_MAINTENANCE,
    SERVICE_MAINTENANCE_PREFIX,
    HealthCheck,
    aggregate_status,
)


def checks(*statuses: str) -> tuple[HealthCheck, ...]:
    return tuple(
        HealthCheck(check_id=f"c{number}", status=status) for number, status in enumerate(statuses)
    )


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [
        ((), "passing"),
        (("passing", "passing"), "passing"),
        (("passing", "warning", "passing"), "warning"),
        (("warning", "critical", "passing"), "critical"),
        (("critical", "warning"), "critical"),
    ],
)
def test_worst_check_decides(statuses: tuple[str, ...], worst: str) -> None:
    assert worst == aggregate_status(checks(*statuses))


@pytest.mark.parametrize("check_id", [NODE_MAINTENANCE, f"{SERVICE_MAINTENANCE_PREFIX}web"])
def test_maintenance_is_worse_than_any_status(check_id: str) -> None:
    maintenance = HealthCheck(check_id=check_id, status="critical")

    assert aggregate_status((*checks("critical"), maintenance)) == "maintenance"


def test_check_is_critical_until_told_otherwise() -> None:
    assert HealthCheck(node="n", check_id="c").status == "critical"
