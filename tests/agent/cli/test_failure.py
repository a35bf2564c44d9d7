"""Claims about how commands fail."""

import pytest

from agent.cli.failure import EXIT_EMPTY_OR_CHILD, ApiError, Failure, explaining


def test_api_error_reads_as_scripts_expect_it():
    assert "Unexpected response code: 404 (gone)" == str(ApiError(404, "gone"))


def test_explanation_keeps_the_exit_code():
    with (
        pytest.raises(Failure, match=r"^Error saving: full$") as caught,
        explaining("Error saving"),
    ):
        raise Failure("full", exit_code=EXIT_EMPTY_OR_CHILD)

    assert caught.value.exit_code == EXIT_EMPTY_OR_CHILD


def test_explanation_leaves_success_alone():
    with explaining("Error saving"):
        done = True

    assert done
