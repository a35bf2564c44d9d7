"""Claims about the generated reference page."""

from agent.cli.docs import PAGE, page
from agent.cli.table import COMMANDS


def test_page_on_disk_is_current():
    assert page() == PAGE.read_text(encoding="utf-8")


def test_page_has_every_command_and_flag():
    text = page()

    for command in COMMANDS:
        assert f"### {command.words}\n" in text
        assert all(f"`-{flag.name}" in text for flag in command.flags)
