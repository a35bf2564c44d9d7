"""Vault as the provider: two PKI engines of it, one with the root, one that signs leaves.

The root's key and the intermediate's key stay in Vault. What is not there is made: the engines, the
root, the intermediate below it, and the role that leaves are signed with.
Source: Vault, PKI secrets engine (https://developer.hashicorp.com/vault/api-docs/secret/pki);
Consul, Vault as a CA provider.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from typing_extensions import override

from agent.connect import certificates, renewal
from agent.connect.provider import (
    Asked,
    NewRoot,
    Provider,
    root_row,
    signing_intermediate,
    with_intermediate,
)
from agent.connect.settings import AuthoritySettings
from agent.connect.signing import authority_request
from agent.connect.spiffe import AuthorityIdentity, intermediate_common_name, root_common_name
from agent.connect.vault_client import ALREADY_MOUNTED, NO_ROUTE, VaultClient, VaultError
from agent.connect.vault_settings import VaultSettings
from catalog.duration import SECOND
from catalog.errors import Invalid
from catalog.rows.connect import CARoot, trust_domain

NAME: Final = "Vault"
ROLE: Final = "leaf-cert"


class Place(NamedTuple):
    """Whose mesh it is: the cluster, the wall clock and a source of unique texts."""

    cluster_id: str
    now_s: Callable[[], float]
    new_uuid: Callable[[], str]


class Vault(Provider):
    """See the module. ``root`` is the present root, if it is one of this provider."""

    def __init__(
        self,
        settings: AuthoritySettings,
        vault: VaultSettings,
        client: VaultClient,
        place: Place,
        root: CARoot | None,
    ) -> None:
        self._settings = settings
        self._vault = vault
        self._client = client
        self._place = place
        self._root = root

    @override
    async def make_root(self) -> NewRoot:
        root_pem = await self._certificate_at(self._vault.root_pki_path)
        if not root_pem:
            root_pem = await self._generate_root()
        root = _parsed(root_pem)
        if root.issuer != root.subject:
            raise Invalid("the certificate at RootPKIPath is not self-signed")
        signing_pem = await self._certificate_at(self._vault.intermediate_pki_path)
        if not signing_pem or not self._is_good(signing_pem, root):
            signing_pem = await self._new_intermediate(root)
        await self._write_role()
        return NewRoot(root_row(root_pem, NAME, self._place.cluster_id, signing_pem))

    @override
    async def cross_sign(self, root: x509.Certificate) -> str:
        pem = root.public_bytes(Encoding.PEM).decode()
        path = f"{self._vault.root_pki_path}/root/sign-self-issued"
        return _pem(await self._client.call("POST", path, {"certificate": pem}), "certificate")

    @override
    async def sign(self, asked: Asked) -> str:
        path = f"{self._vault.intermediate_pki_path}/sign/{ROLE}"
        life_s = min(asked.life.length_s, self._signing_left_s())
        body = {"csr": asked.request_pem, "ttl": f"{int(life_s)}s"}
        return _pem(await self._client.call("POST", path, body), "certificate")

    @override
    async def sign_intermediate(self, request_pem: str) -> str:
        authority_request(request_pem, trust_domain(self._place.cluster_id))
        _row, root = await self._present_root()
        return await self._sign_below(root, request_pem)

    @override
    async def renew_intermediate(self) -> NewRoot | None:
        row, root = await self._present_root()
        pem = await self._new_intermediate(root)
        await self._write_role()
        return NewRoot(with_intermediate(row, pem))

    @override
    async def keep_access(self) -> None:
        await self._client.keep_token()

    async def _present_root(self) -> tuple[CARoot, x509.Certificate]:
        root = _parsed(await self._certificate_at(self._vault.root_pki_path))
        if self._root is None or certificates.fingerprint(root) != self._root.id:
            raise Invalid("the root certificate at RootPKIPath is another one now: set it anew")
        return self._root, root

    # Engines.

    async def _certificate_at(self, path: str) -> str:
        """The certificate of an engine, which is mounted if need be; empty if it has none."""
        try:
            return _trimmed(await self._client.text("GET", f"{path}/ca/pem"))
        except VaultError as error:
            if error.status != 404:
                raise
            if NO_ROUTE not in str(error):
                return ""
        await self._mount(path)
        return ""

    async def _mount(self, path: str) -> None:
        lease = f"{self._settings.root_cert_ttl_ns // SECOND}s"
        body = {
            "type": "pki",
            "description": "certificates of the service mesh",
            "config": {"default_lease_ttl": lease, "max_lease_ttl": lease},
        }
        try:
            await self._client.call("POST", f"sys/mounts/{path}", body)
        except VaultError as error:
            if ALREADY_MOUNTED not in str(error):
                raise

    async def _generate_root(self) -> str:
        place = self._place
        body = {
            "common_name": root_common_name(place.cluster_id, place.new_uuid()),
            "ttl": f"{self._settings.root_cert_ttl_ns // SECOND}s",
            **self._key_and_name(),
        }
        path = f"{self._vault.root_pki_path}/root/generate/internal"
        return _pem(await self._client.call("POST", path, body), "certificate")

    async def _new_intermediate(self, root: x509.Certificate) -> str:
        place, path = self._place, self._vault.intermediate_pki_path
        request = _pem(
            await self._client.call(
                "POST",
                f"{path}/intermediate/generate/internal",
                {
                    "common_name": intermediate_common_name(place.cluster_id, place.new_uuid()),
                    **self._key_and_name(),
                },
            ),
            "csr",
        )
        signed = await self._sign_below(root, request)
        answer = await self._client.call(
            "POST", f"{path}/intermediate/set-signed", {"certificate": signed}
        )
        await self._use_newest_issuer((answer or {}).get("data") or {})
        return signed

    async def _use_newest_issuer(self, answer: dict[str, Any]) -> None:
        """Since Vault 1.11 an engine keeps several issuers, and goes on with the first one."""
        keys = answer.get("mapping") or {}
        for issuer in answer.get("imported_issuers") or ():
            if keys.get(issuer):  # and is no certificate that was only sent along
                path = f"{self._vault.intermediate_pki_path}/config/issuers"
                await self._client.call("POST", path, {"default": issuer})

    async def _sign_below(self, root: x509.Certificate, request_pem: str) -> str:
        left_s = root.not_valid_after_utc.timestamp() - self._place.now_s()
        life_s = min(self._settings.intermediate_cert_ttl_ns / SECOND, left_s)
        body = {
            "csr": request_pem,
            "use_csr_values": True,
            "max_path_length": 0,
            "ttl": f"{int(life_s)}s",
        }
        path = f"{self._vault.root_pki_path}/root/sign-intermediate"
        return _pem(await self._client.call("POST", path, body), "certificate")

    async def _write_role(self) -> None:
        body = {
            "allow_any_name": True,
            # Nobody else checks names of hosts either, and a service may be called "_".
            "enforce_hostnames": False,
            "allowed_uri_sans": "spiffe://*",
            "key_type": "any",
            "max_ttl": f"{self._settings.leaf_cert_ttl_ns // SECOND}s",
            "no_store": True,
            "require_cn": False,
        }
        path = f"{self._vault.intermediate_pki_path}/roles/{ROLE}"
        await self._client.call("POST", path, body)

    def _key_and_name(self) -> dict[str, Any]:
        identity = AuthorityIdentity(trust_domain=trust_domain(self._place.cluster_id))
        kind = self._settings.key_kind
        return {"uri_sans": identity.uri, "key_type": kind.type, "key_bits": kind.bits}

    def _is_good(self, signing_pem: str, root: x509.Certificate) -> bool:
        signing = _parsed(signing_pem)
        if not certificates.is_issued_by(signing, root):
            return False
        start_s = signing.not_valid_before_utc.timestamp()
        end_s = signing.not_valid_after_utc.timestamp()
        return self._place.now_s() < renewal.intermediate_due_s(start_s, end_s)

    def _signing_left_s(self) -> float:
        signing = signing_intermediate(self._root) if self._root is not None else None
        if signing is None:
            raise Invalid("the intermediate certificate of Vault is not known here")
        return _parsed(signing).not_valid_after_utc.timestamp() - self._place.now_s()


def _pem(answer: Any, field: str) -> str:
    """A certificate or request of an answer. Raises VaultError if it is not there."""
    found = ((answer or {}).get("data") or {}).get(field)
    if not isinstance(found, str) or not found.strip():
        message = f"Vault: the answer has no {field}"
        raise VaultError(message)
    return _trimmed(found)


def _trimmed(pem: str) -> str:
    return pem.strip() + "\n" if pem.strip() else ""


def _parsed(pem: str) -> x509.Certificate:
    try:
        return certificates.parse_certificate(pem)
    except ValueError:
        raise VaultError("Vault: the answer is no certificate") from None
