"""Refusals carry the status that they are answered with."""

from agent.local.errors import BadDefinition, LocalFault, UnknownRegistration


def test_refusals_are_answered_500_unless_their_class_knows_better():
    assert [fault.status for fault in (LocalFault(), BadDefinition(), UnknownRegistration())] == [
        500,
        400,
        404,
    ]
