from gossip.errors import JoinError


def test_join_error_lists_one_failure_as_operators_know_it() -> None:
    error = JoinError(["Failed to join 10.0.0.1: EOF"])

    assert "1 error occurred:\n\t* Failed to join 10.0.0.1: EOF\n\n" == str(error)


def test_join_error_counts_its_failures() -> None:
    error = JoinError(["a", "b"])

    assert ("a", "b") == error.failures
    assert "2 errors occurred:\n\t* a\n\t* b\n\n" == str(error)
