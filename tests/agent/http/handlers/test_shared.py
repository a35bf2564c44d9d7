"""How most replies are shown."""

from agent.http.call import NOTHING
from agent.http.handlers.shared import as_empty, as_json
from agent.rpc.request import Reply


def test_a_value_is_shown_as_it_is_or_not_at_all():
    reply = Reply(value=[1])

    assert as_json(None, reply).json == [1]
    assert as_empty(None, reply).json is NOTHING
