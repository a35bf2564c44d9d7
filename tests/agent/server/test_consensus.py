"""Majorities and members."""

import pytest

from agent.server.consensus import find, quorum
from tests.agent.server.fleet import members_of, non_voter


@pytest.mark.parametrize(("voters", "majority"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (7, 4)])
def test_a_quorum_is_more_than_half(voters, majority):
    assert majority == quorum(voters)


def test_a_member_is_found_by_its_id():
    configuration = members_of("ab", "c")

    assert non_voter("c") == find(configuration, "c")
    assert find(configuration, "d") is None
