"""/v1/connect/ca and /v1/agent/connect. Source: Consul API, certificate authority, agent."""

from datetime import UTC, datetime
from typing import Any, Final

from agent.connect.limits import RateLimited
from agent.connect.spiffe import BadIdentity, ServiceIdentity, parse_identity
from agent.http.call import Answer, Call, HttpError
from agent.http.decode import decode_body
from agent.http.params import boolean, read_options, required, write_options
from agent.rpc.endpoints.connect import (
    CAConfigurationGet,
    CAConfigurationSet,
    CALeavesGet,
    CARevocationsGet,
    CARevoke,
    CARootsGet,
    CARotate,
    ConnectAuthorize,
)
from agent.rpc.request import Reply
from catalog.rows.connect import CAConfiguration, CALeaf, CARevocation
from catalog.schema import Row

_DECODE_FAILED: Final = "Bad request: Request decode failed: "
_ALIASES: Final = {"force_without_cross_signing": "ForceWithoutCrossSigning"}
_NO_META: Final = {"X-Consul-KnownLeader": "false"}  # as Consul answers for the roots


class _Configuration(Row, frozen=True, kw_only=True):
    provider: str = ""
    config: dict[str, Any] | None = None
    state: dict[str, str] | None = None
    force_without_cross_signing: bool = False
    create_index: int = 0
    modify_index: int = 0


class _Authorization(Row, frozen=True, kw_only=True):
    target: str = ""
    client_cert_uri: str = ""
    client_cert_serial: str = ""


class _Revocation(Row, frozen=True, kw_only=True):
    serial: str = ""
    service: str = ""
    reason: str = ""


# The servers' authority.


def roots(call: Call) -> CARootsGet:
    """The roots."""
    if (text := call.query.text("pem")) and boolean(text) is None:
        raise HttpError(400, "The 'pem' query parameter must be a boolean value")
    return CARootsGet(**read_options(call))


def show_roots(call: Call, reply: Reply) -> Answer:
    """The roots as JSON, or one after another as PEM."""
    if not boolean(call.query.text("pem") or "false"):
        return Answer(json=reply.value, headers=_NO_META)
    pems = "".join(root.root_cert for root in reply.value.roots)
    return Answer(
        body=pems.encode(), content_type="application/pem-certificate-chain", headers=_NO_META
    )


async def configuration(call: Call) -> Answer:
    """The authority's configuration; what stands in it for a private key is no key."""
    reply = await call.front.router.call(CAConfigurationGet(**read_options(call)))
    return Answer(json=reply.value)


async def set_configuration(call: Call) -> Answer:
    """Replace the authority's configuration."""
    body = decode_body(call.body, _Configuration, aliases=_ALIASES, prefix=_DECODE_FAILED)
    wanted = CAConfiguration(
        provider=body.provider,
        config=body.config or {},
        state=body.state,
        force_without_cross_signing=body.force_without_cross_signing,
    )
    await call.front.router.call(CAConfigurationSet(configuration=wanted, **write_options(call)))
    return Answer()


def revoke(call: Call) -> CARevoke:
    """Refuse a leaf by its serial number, or a service's; in the URL or in the body."""
    body = decode_body(call.body, _Revocation, prefix=_DECODE_FAILED) if call.body else None
    body = body or _Revocation()
    serial = body.serial or call.query.text("serial")
    service = body.service or call.query.text("service")
    if bool(serial) == bool(service):
        raise HttpError(400, "Bad request: either Serial or Service must be specified")
    reason = body.reason or call.query.text("reason")
    return CARevoke(serial=serial, service=service, reason=reason, **write_options(call))


def revocations(call: Call) -> CARevocationsGet:
    """The leaves that are refused."""
    return CARevocationsGet(**read_options(call))


def show_revocations(_call: Call, reply: Reply) -> Answer:
    """Refused leaves, with times as text."""
    return Answer(json=[_revocation(row) for row in reply.value])


def _revocation(row: CARevocation) -> dict[str, object]:
    return {
        "Serial": row.serial,
        "URI": row.uri,
        "Reason": row.reason,
        "RevokedAt": _rfc3339(row.revoked_at_s),
        "ExpiresAt": _rfc3339(row.expires_at_s),
        "CreateIndex": row.create_index,
        "ModifyIndex": row.modify_index,
    }


def leaves(call: Call) -> CALeavesGet:
    """The leaves that live."""
    return CALeavesGet(**read_options(call))


def show_leaves(_call: Call, reply: Reply) -> Answer:
    """Leaves, with times as text."""
    return Answer(json=[_leaf(row) for row in reply.value])


def _leaf(row: CALeaf) -> dict[str, object]:
    return {
        "Serial": row.serial,
        "URI": row.uri,
        "RootID": row.root_id,
        "ExpiresAt": _rfc3339(row.expires_at_s),
        "CreateIndex": row.create_index,
    }


def rotate(call: Call) -> CARotate:
    """Make another root the active one."""
    return CARotate(**write_options(call))


def show_nothing(_call: Call, _reply: Reply) -> Answer:
    """An empty answer."""
    return Answer()


def _rfc3339(moment_s: float) -> str:
    return datetime.fromtimestamp(int(moment_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# This agent.


async def agent_roots(call: Call) -> Answer:
    """The roots, from this agent's cache."""
    request = CARootsGet(**read_options(call))
    reply, cached = await call.front.read_cached(request, call)
    return Answer(json=reply.value, headers={"X-Consul-Index": str(reply.index), **cached})


async def leaf(call: Call) -> Answer:
    """The certificate and key of a service; made now if there is none."""
    service = required(call, "service", "service name")
    options = read_options(call)
    try:
        served = await call.front.services.leaf(
            service,
            token=options.get("token", ""),
            min_index=options.get("min_index", 0),
            wait_ns=options.get("wait_ns", 0),
        )
    except RateLimited as error:
        raise HttpError(429, str(error)) from None
    return Answer(
        json=served.leaf,
        headers={
            "X-Consul-Index": str(served.leaf.modify_index),
            **({"X-Cache": "HIT", "Age": "0"} if served.hit else {"X-Cache": "MISS"}),
        },
    )


async def authorize(call: Call) -> Answer:
    """Whether the holder of a certificate may connect to a service."""
    body = decode_body(call.body, _Authorization, prefix=_DECODE_FAILED)
    if not body.target:
        raise HttpError(400, "Bad request: Target service must be specified")
    try:
        identity = parse_identity(body.client_cert_uri)
    except BadIdentity:
        text = "Bad request: ClientCertURI not a valid Connect identifier"
        raise HttpError(400, text) from None
    if not isinstance(identity, ServiceIdentity):
        raise HttpError(400, "Bad request: ClientCertURI not a valid Service identifier")
    request = ConnectAuthorize(
        trust_domain=identity.trust_domain,
        source=identity.service,
        destination=body.target,
        serial=body.client_cert_serial,
        **write_options(call),
    )
    decision = (await call.front.router.call(request)).value
    return Answer(json={"Authorized": decision.allowed, "Reason": decision.reason})
