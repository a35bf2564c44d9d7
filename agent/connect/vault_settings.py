"""The settings of the Vault provider: where it is, how to log in, which engines sign.

Source: Consul, Vault as a CA provider (https://developer.hashicorp.com/consul/docs/connect/ca/vault).
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from typing_extensions import override

from agent.connect.settings import text, truth
from catalog.errors import Invalid

APP_ROLE: Final = "approle"


class AppRole(msgspec.Struct, frozen=True, kw_only=True):
    """A login without a person: Vault's AppRole method, mounted at a path."""

    mount_path: str
    role_id: str
    secret_id: str = ""

    @override
    def __repr__(self) -> str:
        return f"AppRole({self.mount_path!r}, {self.role_id!r})"  # never the secret


class VaultSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``address`` is a URL. Paths of engines have no slash at either end. Files are PEM."""

    address: str
    token: str = ""
    app_role: AppRole | None = None
    namespace: str = ""
    root_pki_path: str
    intermediate_pki_path: str
    ca_file: str = ""
    ca_path: str = ""
    cert_file: str = ""
    key_file: str = ""
    tls_server_name: str = ""
    tls_skip_verify: bool = False

    @override
    def __repr__(self) -> str:
        return f"VaultSettings({self.address!r}, {self.root_pki_path!r})"  # never the token


def read_vault_settings(config: Mapping[str, Any]) -> VaultSettings:
    """The settings of a canonical map with its secrets. Raises Invalid."""
    settings = VaultSettings(
        address=text(config, "Address").rstrip("/"),
        token=text(config, "Token"),
        app_role=_app_role(config.get("AuthMethod")),
        namespace=text(config, "Namespace"),
        root_pki_path=text(config, "RootPKIPath").strip("/"),
        intermediate_pki_path=text(config, "IntermediatePKIPath").strip("/"),
        ca_file=text(config, "CAFile"),
        ca_path=text(config, "CAPath"),
        cert_file=text(config, "CertFile"),
        key_file=text(config, "KeyFile"),
        tls_server_name=text(config, "TLSServerName"),
        tls_skip_verify=truth(config, "TLSSkipVerify"),
    )
    _validate(settings)
    return settings


def _validate(settings: VaultSettings) -> None:
    if not settings.address.startswith(("http://", "https://")):
        raise Invalid("must provide a Vault address that is an http:// or https:// URL")
    if not settings.token and settings.app_role is None:
        raise Invalid("must provide a Vault token or configure a Vault auth method")
    if settings.token and settings.app_role is not None:
        raise Invalid("only one of Vault token or Vault auth method can be provided, but not both")
    if not settings.root_pki_path:
        raise Invalid("must provide a valid path to a root PKI backend")
    if not settings.intermediate_pki_path:
        raise Invalid("must provide a valid path for the intermediate PKI backend")
    if settings.root_pki_path == settings.intermediate_pki_path:
        raise Invalid("RootPKIPath and IntermediatePKIPath must differ")
    if bool(settings.cert_file) != bool(settings.key_file):
        raise Invalid("CertFile and KeyFile go together")


def _app_role(method: object) -> AppRole | None:
    if not method:
        return None
    if not isinstance(method, Mapping):
        raise Invalid("error decoding config: 'AuthMethod': expected a map")
    if method.get("Type") != APP_ROLE:
        message = f"auth method {method.get('Type')!r} is not supported, only {APP_ROLE!r}"
        raise Invalid(message)
    params = method.get("Params")
    if not isinstance(params, Mapping) or not params.get("role_id"):
        raise Invalid("AuthMethod.Params must have a role_id")
    return AppRole(
        mount_path=text(method, "MountPath").strip("/") or APP_ROLE,
        role_id=text(params, "role_id"),
        secret_id=text(params, "secret_id"),
    )
