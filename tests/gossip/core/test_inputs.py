from typing import get_args

from gossip.core.inputs import Command, Event


def test_every_command_carries_the_number_for_its_answer():
    assert all("request" in command.__struct_fields__ for command in get_args(Command))


def test_every_event_is_a_frozen_value():
    assert all(event.__struct_config__.frozen for event in get_args(Event))
