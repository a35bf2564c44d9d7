"""/v1/discovery-chain. Source: Consul API, discovery chain."""

from typing import Final

from agent.http.call import Answer, Call, HttpError
from agent.http.decode import decode_body
from agent.http.params import read_options
from agent.rpc.endpoints.chain import ChainGet
from agent.rpc.request import Reply
from catalog.chain import Overrides
from catalog.duration import Duration
from catalog.rows.service import MeshGateway
from catalog.schema import Row

_MODES: Final = {"", "none", "local", "remote"}


class _Body(Row, frozen=True, kw_only=True):
    override_protocol: str = ""
    override_connect_timeout: Duration = 0
    override_mesh_gateway: MeshGateway = MeshGateway()


def get(call: Call) -> ChainGet:
    """The chain of a service."""
    return _chain(call, Overrides())


def post(call: Call) -> ChainGet:
    """The chain as it is with the overrides in the body."""
    _service(call)
    prefix = "Bad request: Request decoding failed: "
    body = decode_body(call.body, _Body, prefix=prefix, strict=False)
    mode = body.override_mesh_gateway.mode
    if mode not in _MODES:
        raise HttpError(400, "Invalid OverrideMeshGateway.Mode parameter")
    overrides = Overrides(
        protocol=body.override_protocol,
        connect_timeout=body.override_connect_timeout,
        mesh_gateway_mode=mode,
    )
    return _chain(call, overrides)


def _chain(call: Call, overrides: Overrides) -> ChainGet:
    return ChainGet(
        service=_service(call),
        evaluate_in=call.query.text("compile-dc"),
        overrides=overrides,
        **read_options(call),
    )


def _service(call: Call) -> str:
    if not call.path["service"]:
        raise HttpError(400, "Bad request: Missing chain name")
    return call.path["service"]


def show(_call: Call, reply: Reply) -> Answer:
    """The chain in its envelope."""
    return Answer(json={"Chain": reply.value})
