"""/v1/acl while access control is off. Source: Consul API, ACL."""

from agent.http.call import Answer, Call, HttpError


async def disabled(call: Call) -> Answer:
    """Every endpoint of access control says that it is off."""
    del call
    raise HttpError(401, "ACL support disabled")
