"""/v1/operator. Source: Consul API, operator."""

from typing import Any, Final

from agent.http.call import Answer, Call, HttpError
from agent.http.decode import DecodeFault, decode_value, parse_json
from agent.http.params import boolean, cas_index, read_options, write_options
from agent.rpc.endpoints.operator import AutopilotGet, AutopilotSet
from agent.rpc.endpoints.server_state import (
    AutopilotHealthGet,
    AutopilotStateGet,
    KeyringChange,
    KeyringVerb,
    RaftConfigurationGet,
    RaftRemovePeer,
    TransferLeadership,
)
from agent.rpc.request import Consistency
from catalog.rows.system import AutopilotConfiguration
from catalog.schema import Row

RELAY_FACTOR_MAX: Final = 5  # as Consul
_VERBS: Final = {
    "GET": KeyringVerb.LIST,
    "POST": KeyringVerb.INSTALL,
    "PUT": KeyringVerb.USE,
    "DELETE": KeyringVerb.REMOVE,
}


class _Key(Row, frozen=True, kw_only=True):
    key: str = ""


def _options(call: Call) -> dict[str, Any]:
    """The fields of a read that never blocks."""
    options = write_options(call)
    if call.query.has("stale"):
        options["consistency"] = Consistency.STALE
    return options


async def raft_configuration(call: Call) -> Answer:
    """The servers that the log is kept on."""
    reply = await call.front.router.call(RaftConfigurationGet(**_options(call)))
    return Answer(json=reply.value)


async def remove_peer(call: Call) -> Answer:
    """Remove a server from the log's configuration."""
    server_id, address = call.query.get("id"), call.query.get("address")
    if (server_id is None) == (address is None):
        raise HttpError(400, "Must specify either ?id with the server's ID or ?address with it")
    request = RaftRemovePeer(id=server_id or "", address=address or "", **write_options(call))
    await call.front.router.call(request)
    return Answer()


async def transfer_leader(call: Call) -> Answer:
    """Hand leadership to another server."""
    request = TransferLeadership(id=call.query.text("id"), **write_options(call))
    await call.front.router.call(request)
    return Answer(json={"Success": True})


async def autopilot_configuration(call: Call) -> Answer:
    """Autopilot's configuration."""
    reply = await call.front.router.call(AutopilotGet(**read_options(call)))
    return Answer(json=reply.value)


async def set_autopilot_configuration(call: Call) -> Answer:
    """Replace autopilot's configuration."""
    try:
        index = cas_index(call)
    except HttpError as error:
        raise HttpError(400, f"Bad request: Error parsing cas value: {error.text}") from None
    try:
        body = decode_value(parse_json(call.body), AutopilotConfiguration)
    except DecodeFault as fault:
        raise HttpError(400, f"Bad request: Error parsing autopilot config: {fault}") from None
    request = AutopilotSet(configuration=body, cas_index=index, **write_options(call))
    reply = await call.front.router.call(request)
    return Answer(json=reply.value)


async def autopilot_health(call: Call) -> Answer:
    """How the servers fare; 429 when one of them is not healthy."""
    reply = await call.front.router.call(AutopilotHealthGet(**_options(call)))
    return Answer(status=200 if reply.value.healthy else 429, json=reply.value)


async def autopilot_state(call: Call) -> Answer:
    """The servers by id, with their role."""
    reply = await call.front.router.call(AutopilotStateGet(**_options(call)))
    return Answer(json=reply.value)


async def keyring(call: Call) -> Answer:
    """The gossip keys, or a change of them."""
    key = ""
    if call.method != "GET":
        try:
            key = decode_value(parse_json(call.body), _Key).key
        except DecodeFault as fault:
            text = f"Bad request: Request decode failed: {fault}"
            raise HttpError(400, text) from None
    relay_factor = _relay_factor(call)
    local_text = call.query.get("local-only")
    local_only = False if local_text is None else boolean(local_text)
    if local_only is None:
        raise HttpError(
            400,
            "Bad request: Error parsing local-only: strconv.ParseBool: "
            f'parsing "{local_text}": invalid syntax',
        )
    request = KeyringChange(
        verb=_VERBS[call.method],
        key=key,
        relay_factor=relay_factor,
        local_only=local_only,
        **write_options(call),
    )
    reply = await call.front.router.call(request)
    return Answer(json=reply.value) if call.method == "GET" else Answer()


def _relay_factor(call: Call) -> int:
    text = call.query.get("relay-factor")
    if text is None:
        return 0
    if not text.lstrip("-").isdigit():
        raise HttpError(
            400,
            "Bad request: Error parsing relay factor: strconv.Atoi: "
            f'parsing "{text}": invalid syntax',
        )
    if not 0 <= int(text) <= RELAY_FACTOR_MAX:
        raise HttpError(
            400, "Bad request: Invalid relay-factor: Relay factor must be in range: [0, 5]"
        )
    return int(text)
