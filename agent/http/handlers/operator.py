"""/v1/operator, as far as one server has it. Source: Consul API, operator."""

from datetime import UTC, datetime
from typing import Any

from agent.http.call import Answer, Call, HttpError
from agent.http.decode import DecodeFault, decode_value, parse_json
from agent.http.params import boolean, cas_index, read_options, write_options
from agent.rpc.endpoints.operator import AutopilotGet, AutopilotSet
from catalog.rows.system import AutopilotConfiguration
from catalog.schema import Row

RELAY_FACTOR_MAX = 5  # as Consul
_KEYRING_OFF = (
    "3 errors occurred:\n\t* Error listing gossip keys: Keyring is empty (encryption not enabled)"
    "\n\n"
)


class _Key(Row, frozen=True, kw_only=True):
    key: str = ""


async def raft_configuration(call: Call) -> Answer:
    """The servers that the log is kept on."""
    services = call.front.services
    servers = [
        {
            "ID": server.id,
            "Node": server.node,
            "Address": server.address,
            "Leader": server.leader,
            "ProtocolVersion": "3",
            "Voter": server.voter,
        }
        for server in services.servers()
    ]
    return Answer(json={"Servers": servers, "Index": services.configuration_index})


async def remove_peer(call: Call) -> Answer:
    """Remove a server from the log's configuration."""
    server_id, address = call.query.get("id"), call.query.get("address")
    if (server_id is None) == (address is None):
        raise HttpError(400, "Must specify either ?id with the server's ID or ?address with it")
    for server in call.front.services.servers():
        if server_id == server.id or address == server.address:
            raise HttpError(500, "the only voter cannot be removed")
    name, value = ("id", server_id) if server_id is not None else ("address", address)
    raise HttpError(500, f'{name} "{value}" was not found in the Raft configuration')


async def transfer_leader(call: Call) -> Answer:
    """Hand leadership to another server."""
    del call
    raise HttpError(500, "cannot find peer to transfer leadership to: this is the only server")


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
    services = call.front.services
    servers = [
        {
            "ID": server.id,
            "Name": server.node,
            "Address": server.address,
            "SerfStatus": "alive",
            "Version": server.version,
            "Leader": server.leader,
            "LastContact": "0s",
            "LastTerm": services.term,
            "LastIndex": services.last_index,
            "Healthy": True,
            "Voter": server.voter,
            "StableSince": _time(services.started_s),
        }
        for server in services.servers()
    ]
    return Answer(json={"Healthy": True, "FailureTolerance": 0, "Servers": servers})


async def autopilot_state(call: Call) -> Answer:
    """The servers by id, with their role."""
    services = call.front.services
    servers: dict[str, Any] = {}
    for server in services.servers():
        servers[server.id] = {
            "ID": server.id,
            "Name": server.node,
            "Address": server.address,
            "NodeStatus": "alive",
            "Version": server.version,
            "LastContact": "0s",
            "LastTerm": services.term,
            "LastIndex": services.last_index,
            "Healthy": True,
            "StableSince": _time(services.started_s),
            "ReadReplica": False,
            "Status": "leader" if server.leader else "voter",
            "Meta": services.server_meta(),
            "NodeType": "voter",
        }
    voters = [server.id for server in services.servers() if server.voter]
    return Answer(
        json={
            "Healthy": True,
            "FailureTolerance": 0,
            "OptimisticFailureTolerance": 0,
            "Servers": servers,
            "Leader": next((s.id for s in services.servers() if s.leader), ""),
            "Voters": voters,
        }
    )


def _time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def keyring(call: Call) -> Answer:
    """The gossip keys; encryption is off."""
    if call.method != "GET":
        try:
            decode_value(parse_json(call.body), _Key)
        except DecodeFault as fault:
            text = f"Bad request: Request decode failed: {fault}"
            raise HttpError(400, text) from None
    _relay_factor(call)
    local_only = call.query.get("local-only")
    if local_only is not None and boolean(local_only) is None:
        raise HttpError(
            400,
            "Bad request: Error parsing local-only: strconv.ParseBool: "
            f'parsing "{local_only}": invalid syntax',
        )
    raise HttpError(500, _KEYRING_OFF)


def _relay_factor(call: Call) -> None:
    text = call.query.get("relay-factor")
    if text is None:
        return
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
