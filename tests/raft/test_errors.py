from raft.errors import Corrupt, Overloaded, RaftError, Refused, StorageError, TooLarge


def test_too_large_names_size_and_limit() -> None:
    error = TooLarge(200, 100)

    assert str(error) == "command of 200 bytes exceeds the limit of 100"


def test_a_proposer_and_an_operator_can_be_told_apart() -> None:
    assert issubclass(Overloaded, Refused)
    assert issubclass(Corrupt, StorageError)
    assert not issubclass(Corrupt, Refused)
    assert issubclass(StorageError, RaftError)
