from typing import get_args

from gossip.core.effects import Change, Effect


def test_every_effect_is_a_frozen_value():
    assert all(effect.__struct_config__.frozen for effect in get_args(Effect))


def test_changes_have_serfs_event_names():
    assert {"member-join", "member-leave", "member-failed", "member-update", "member-reap"} == {
        change.value for change in Change
    }
