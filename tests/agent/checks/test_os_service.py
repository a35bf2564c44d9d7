import pytest

from agent.checks.definition import CheckType
from agent.checks.os_service import OsServiceProbe
from catalog.rows.check import CRITICAL, PASSING, WARNING


@pytest.mark.parametrize(
    ("state", "code", "status", "output"),
    [
        ("active", 0, PASSING, 'Service "cron" is healthy'),
        ("activating", 3, WARNING, 'Service "cron" is activating'),
        ("failed", 3, CRITICAL, 'Service "cron" is failed'),
        ("", 4, CRITICAL, 'Service "cron" is unknown'),
    ],
)
async def test_state_of_the_unit_decides(tmp_path, state, code, status, output):
    program = tmp_path / "systemctl"
    program.write_text(f'#!/bin/sh\n[ "$*" = "is-active -- cron" ] && echo {state}; exit {code}\n')
    program.chmod(0o755)

    outcome = await OsServiceProbe(CheckType(os_service="cron"), str(program)).run()

    assert (status, output) == (outcome.status, outcome.output)


async def test_host_without_systemd_is_told():
    outcome = await OsServiceProbe(CheckType(os_service="cron"), "no-such-systemctl").run()

    assert outcome.status == CRITICAL
    assert "need systemd" in outcome.output


async def test_systemd_that_hangs_is_critical(tmp_path):
    program = tmp_path / "systemctl"
    program.write_text("#!/bin/sh\nsleep 60\n")
    program.chmod(0o755)
    definition = CheckType(os_service="cron", timeout_ns=100_000_000)

    outcome = await OsServiceProbe(definition, str(program)).run()

    assert (outcome.status, outcome.output) == (CRITICAL, "Timed out (100ms) running check")
