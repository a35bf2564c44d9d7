import pytest

from proxy.main import main


def test_a_worker_without_a_feed_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main([])

    assert 2 == refused.value.code
    assert "--feed" in capsys.readouterr().err


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])

    text = capsys.readouterr().out
    assert all(name in text for name in ("--feed", "--slot", "--only", "--adopt", "--orphan-s"))
