"""Calls of Vault's HTTP API, and the token that they are made with.

A connection is made for each call: signing is paced anyway, and nothing is left open when another
server leads. A token is never in a log line or in an error's text.
Source: Vault HTTP API (https://developer.hashicorp.com/vault/api-docs).
"""

import json
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import structlog

from agent.connect.vault_settings import VaultSettings
from catalog.errors import Invalid

CALL_TIMEOUT_S: Final = 30.0  # Vault may make an RSA key of 4096 bits meanwhile
ANSWER_BYTES_MAX: Final = 1024 * 1024  # a chain of certificates is some kilobytes
ERRORS_CHARACTERS_MAX: Final = 500  # of what Vault says went wrong
LOOK_AGAIN_S: Final = 3600.0  # at a token that does not end
NEW_LOGIN_S: Final = 300.0  # a token that cannot be prolonged beyond this is replaced
NO_ROUTE: Final = "no handler for route"
ALREADY_MOUNTED: Final = "path is already in use"

_log = structlog.get_logger("agent.connect")


class VaultError(Invalid):
    """Vault refused, or did not answer; ``status`` is 0 then."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class VaultClient:
    """See the module. ``now_s`` is the wall clock."""

    def __init__(self, settings: VaultSettings, now_s: Callable[[], float]) -> None:
        self._settings = settings
        self._now_s = now_s
        self._token = settings.token
        self._look_at_s = 0.0
        self._tls = _tls(settings)

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What an endpoint answers, as JSON; None for an empty answer. Raises VaultError."""
        answer = await self.text(method, path, body)
        try:
            return json.loads(answer) if answer else None
        except ValueError:
            message = f"Vault: {method} {path}: the answer is no JSON"
            raise VaultError(message) from None

    async def text(self, method: str, path: str, body: dict[str, Any] | None = None) -> str:
        """What an endpoint answers, as it is. Raises VaultError."""
        if not self._token:
            await self._log_in()
        try:
            return await self._send(method, path, body)
        except VaultError as error:
            if error.status != 403 or self._settings.app_role is None:
                raise
        # The token may have been revoked; another one is to be had.
        await self._log_in()
        return await self._send(method, path, body)

    # The token.

    async def keep_token(self) -> None:
        """Prolong the token when half of its time is over. Raises VaultError."""
        if self._now_s() < self._look_at_s:
            return
        found = (await self.call("GET", "auth/token/lookup-self"))["data"]
        lease_s = float(found.get("ttl") or 0)
        if lease_s == 0:
            self._look_at_s = self._now_s() + LOOK_AGAIN_S
            return
        if found.get("renewable"):
            renewed = await self.call("POST", "auth/token/renew-self", {})
            lease_s = float(renewed["auth"]["lease_duration"])
        if self._settings.app_role is not None and lease_s < NEW_LOGIN_S:
            await self._log_in()
            return
        if not found.get("renewable") or lease_s < NEW_LOGIN_S:
            _log.warning("token of vault cannot be prolonged", ends_in_s=round(lease_s))
        self._look_at_s = self._now_s() + lease_s / 2

    async def _log_in(self) -> None:
        role = self._settings.app_role
        assert role is not None
        credentials = {"role_id": role.role_id, "secret_id": role.secret_id}
        answer = await self._send("POST", f"auth/{role.mount_path}/login", credentials)
        given = json.loads(answer)["auth"]
        self._token = given["client_token"]
        lease_s = float(given.get("lease_duration") or 2 * LOOK_AGAIN_S)
        self._look_at_s = self._now_s() + lease_s / 2

    # One exchange.

    async def _send(self, method: str, path: str, body: dict[str, Any] | None) -> str:
        # Most servers never talk to Vault.
        import aiohttp

        what = f"Vault: {method} {path}"
        connector = aiohttp.TCPConnector(ssl=self._tls)
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                session.request(
                    method,
                    f"{self._settings.address}/v1/{path}",
                    json=body,
                    headers=self._headers(),
                    server_hostname=self._settings.tls_server_name or None,
                ) as response,
            ):
                raw, status = await _bounded(response.content.iter_any()), response.status
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            message = f"{what}: {str(error) or 'no answer in time'}"
            raise VaultError(message) from None
        answer = raw.decode(errors="replace")
        if status >= 400:
            raise VaultError(f"{what}: {status} {_errors(answer)}".rstrip(), status)
        return answer

    def _headers(self) -> dict[str, str]:
        headers = {"X-Vault-Request": "true"}
        if self._token:
            headers["X-Vault-Token"] = self._token
        if self._settings.namespace:
            headers["X-Vault-Namespace"] = self._settings.namespace
        return headers


async def _bounded(chunks: AsyncIterator[bytes]) -> bytes:
    raw = bytearray()
    async for chunk in chunks:
        raw += chunk
        if len(raw) > ANSWER_BYTES_MAX:
            message = f"Vault: an answer of more than {ANSWER_BYTES_MAX} bytes"
            raise VaultError(message)
    return bytes(raw)


def _errors(answer: str) -> str:
    try:
        said = json.loads(answer).get("errors") or []
    except (ValueError, AttributeError):
        said = [answer]
    return "; ".join(str(each).strip() for each in said)[:ERRORS_CHARACTERS_MAX]


def _tls(settings: VaultSettings) -> ssl.SSLContext | bool:
    if not settings.address.startswith("https://"):
        return False
    try:
        context = ssl.create_default_context(
            cafile=settings.ca_file or None, capath=settings.ca_path or None
        )
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        message = f"Vault: cannot use CAFile, CAPath, CertFile or KeyFile: {error}"
        raise VaultError(message) from None
    if settings.tls_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
