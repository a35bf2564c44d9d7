"""Keys of ACL, TLS, the mesh and automatic certificates. Source: surface §5.2."""

from typing import Any

from agent.config.cipher_suites import cipher_suites
from agent.config.rules import ip_addresses, not_negative, one_of, tls_version
from agent.config.schema import LIVE, Section, opt, section
from catalog.duration import SECOND, Duration

_POLICIES = one_of("", "allow", "deny")


class Tokens(Section, frozen=True):
    """Tokens that this agent uses."""

    initial_management: str = opt("", "Token made at bootstrap.", secret=True)
    agent_recovery: str = opt("", "Token that works without servers.", secret=True)
    replication: str = opt("", "Token to copy ACLs with.", secret=True)
    default: str = opt("", "Token of requests without one.", secret=True)
    agent: str = opt("", "Token of the agent's own writes.", secret=True)
    dns: str = opt("", "Token of DNS questions.", secret=True)
    config_file_service_registration: str = opt(
        "", "Token of services in configuration files.", secret=True
    )
    managed_service_provider: tuple[dict[str, Any], ...] = opt(
        (), "Tokens of a provider (not supported).", secret=True
    )


class ACL(Section, frozen=True):
    """Access control."""

    enabled: bool = opt(False, "Turn access control on.")
    default_policy: str = opt("allow", "What no rule decides.", check=_POLICIES)
    down_policy: str = opt(
        "extend-cache",
        "What holds while servers are out of reach.",
        check=one_of("", "allow", "deny", "extend-cache", "async-cache"),
    )
    policy_ttl: Duration = opt(30 * SECOND, "Time policies are kept.", check=not_negative)
    role_ttl: Duration = opt(30 * SECOND, "Time roles are kept.", check=not_negative)
    token_ttl: Duration = opt(30 * SECOND, "Time tokens are kept.", check=not_negative)
    enable_key_list_policy: bool = opt(False, "Ask for list rights on recursive KV reads.")
    enable_token_replication: bool = opt(False, "Copy tokens from the primary datacenter.")
    enable_token_persistence: bool = opt(False, "Keep tokens set through the API on disk.")
    tokens: Tokens = section(Tokens, "Tokens of this agent.", reload=LIVE)


class TLSDefaults(Section, frozen=True):
    """TLS for every protocol that says nothing itself."""

    ca_file: str = opt("", "File of trusted authorities.", reload=LIVE)
    ca_path: str = opt("", "Directory of trusted authorities.", reload=LIVE)
    cert_file: str = opt("", "File of the certificate.", reload=LIVE)
    key_file: str = opt("", "File of the private key.", reload=LIVE, secret=True)
    tls_min_version: str = opt("TLSv1_2", "Oldest version.", reload=LIVE, check=tls_version)
    tls_cipher_suites: str = opt(
        "", "Suites, separated by commas.", reload=LIVE, check=cipher_suites
    )
    verify_incoming: bool = opt(False, "Ask clients for a certificate.", reload=LIVE)
    verify_outgoing: bool = opt(False, "Use TLS towards others.", reload=LIVE)
    verify_server_hostname: bool = opt(False, "Ask for server.<dc>.<domain>.", reload=LIVE)


class TLSProtocol(Section, frozen=True):
    """TLS for one protocol; the empty text and null mean "as in defaults"."""

    ca_file: str = opt("", "File of trusted authorities.", reload=LIVE)
    ca_path: str = opt("", "Directory of trusted authorities.", reload=LIVE)
    cert_file: str = opt("", "File of the certificate.", reload=LIVE)
    key_file: str = opt("", "File of the private key.", reload=LIVE, secret=True)
    tls_min_version: str = opt("", "Oldest version.", reload=LIVE, check=tls_version)
    tls_cipher_suites: str = opt(
        "", "Suites, separated by commas.", reload=LIVE, check=cipher_suites
    )
    verify_incoming: bool = opt(False, "Ask clients for a certificate.", reload=LIVE)
    verify_outgoing: bool = opt(False, "Use TLS towards others.", reload=LIVE)
    verify_server_hostname: bool = opt(False, "Ask for server.<dc>.<domain>.", reload=LIVE)
    use_auto_cert: bool = opt(False, "Use the automatic certificate.", reload=LIVE)


class TLS(Section, frozen=True):
    """TLS by protocol; a key that a protocol leaves out comes from ``defaults``."""

    defaults: TLSDefaults = section(TLSDefaults, "For all protocols.", reload=LIVE)
    https: TLSProtocol = section(TLSProtocol, "For the HTTP API.", reload=LIVE)
    grpc: TLSProtocol = section(TLSProtocol, "For gRPC.", reload=LIVE)
    internal_rpc: TLSProtocol = section(TLSProtocol, "For RPC between agents.", reload=LIVE)


class AutoEncrypt(Section, frozen=True):
    """Certificates that servers give to clients."""

    tls: bool = opt(False, "Ask a server for a certificate (clients).")
    allow_tls: bool = opt(False, "Give certificates to clients (servers).")
    dns_san: tuple[str, ...] = opt((), "DNS names in the certificate.")
    ip_san: tuple[str, ...] = opt((), "Addresses in the certificate.", check=ip_addresses)


class AutoConfigAuthorizer(Section, frozen=True):
    """How servers judge the intro token of a client (parsed, not supported)."""

    enabled: bool = opt(False, "Judge intro tokens.")
    static: dict[str, Any] = opt({}, "Settings of the judge.")


class AutoConfig(Section, frozen=True):
    """Configuration that servers give to clients (parsed, not supported)."""

    enabled: bool = opt(False, "Ask a server for configuration.")
    intro_token: str = opt("", "Token to ask with.", secret=True)
    intro_token_file: str = opt("", "File of the token to ask with.")
    server_addresses: tuple[str, ...] = opt((), "Servers to ask.")
    dns_sans: tuple[str, ...] = opt((), "DNS names in the certificate.")
    ip_sans: tuple[str, ...] = opt((), "Addresses in the certificate.", check=ip_addresses)
    authorization: AutoConfigAuthorizer = section(AutoConfigAuthorizer, "Judging of tokens.")


class Connect(Section, frozen=True):
    """The service mesh."""

    enabled: bool = opt(False, "Turn the mesh on.")
    ca_provider: str = opt(
        "consul", "Who signs certificates.", check=one_of("", "consul", "vault", "aws-pca")
    )
    ca_config: dict[str, Any] = opt({}, "Settings of the authority.", secret=True)
    enable_mesh_gateway_wan_federation: bool = opt(False, "Federate through mesh gateways.")
    enable_serverless_plugin: bool = opt(False, "Accept the serverless plugin's entries.")


class ConfigEntries(Section, frozen=True):
    """Central configuration."""

    bootstrap: tuple[dict[str, Any], ...] = opt((), "Entries written by a new leader if absent.")
