"""How most replies are shown."""

from agent.http.call import Answer, Call
from agent.rpc.request import Reply


def as_json(_call: Call, reply: Reply) -> Answer:
    """The value as it is."""
    return Answer(json=reply.value)


def as_empty(_call: Call, _reply: Reply) -> Answer:
    """Nothing but the status."""
    return Answer()
