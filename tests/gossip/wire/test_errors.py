"""Claims about what is wrong with bytes."""

from gossip.wire.errors import Reason, WireError


def test_an_error_names_its_reason_and_the_detail() -> None:
    error = WireError(Reason.CHECKSUM, "got 1, expected 2")

    assert str(error) == "checksum: got 1, expected 2"
    assert (error.reason, error.detail) == (Reason.CHECKSUM, "got 1, expected 2")


def test_reasons_are_labels_of_their_own() -> None:
    labels = [str(reason) for reason in Reason]

    assert len(labels) == len(set(labels))
    assert all(label.isalpha() and label.islower() for label in labels)
