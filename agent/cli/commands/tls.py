"""Make an authority and certificates for the agents' TLS, as files in the working directory."""

import os
from pathlib import Path
from typing import Final, NamedTuple

from agent.cli.command import Call
from agent.cli.failure import EXIT_OK, Failure
from agent.clock import wall_s

CERTIFICATES_MAX: Final = 10_000  # of one kind in a directory; Consul's bound
KEY_MODE: Final = 0o600
CERTIFICATE_MODE: Final = 0o644
SERVER_WARNING: Final = """\
==> WARNING: Server Certificates grants authority to become a
    server and access all state in the cluster including root keys
    and all ACL tokens. Do not distribute them to production hosts
    that are not server nodes. Store them as securely as CA keys."""

_DOMAIN: Final = "#DOMAIN#"


class Names(NamedTuple):
    """What a certificate is for: its name, all its names, its addresses, its kind in file names."""

    own: str
    dns: tuple[str, ...]
    addresses: tuple[str, ...]
    kind: str


def ca_create(call: Call) -> int:
    """``tls ca create``: an authority of this cluster."""
    from agent.cli.certificates import Authority, BadRequest, make_authority

    call.expect_arguments(0, 0, "")
    domain = call.text("domain")
    certificate_file, key_file = Path(f"{domain}-agent-ca.pem"), Path(f"{domain}-agent-ca-key.pem")
    for path in (certificate_file, key_file):
        if path.exists():
            raise Failure(f"{path} already exists.")
    constraints = call.texts("additional-name-constraint")
    permitted = (*constraints, domain, "localhost") if call.switch("name-constraint") else ()
    wanted = Authority(
        common_name=call.text("common-name"),
        days=call.number("days"),
        permitted=permitted,
        cluster_id=call.text("cluster-id"),
    )
    try:
        pair = make_authority(wanted, wall_s())
    except BadRequest as error:
        raise Failure(str(error)) from None
    _save(certificate_file, pair.certificate, CERTIFICATE_MODE)
    _save(key_file, pair.key, KEY_MODE)
    return EXIT_OK


def cert_create(call: Call) -> int:
    """``tls cert create``: a certificate of the authority, for a server, a client or a user."""
    from agent.cli.certificates import Agent, BadRequest, issuer_of, make_agent

    call.expect_arguments(0, 0, "")
    names = _names(call)
    ca_file, ca_key_file = _authority_file(call, "ca"), _authority_file(call, "key")
    ca, ca_key = _read(ca_file, "CA"), _read(ca_key_file, "CA key")
    wanted = Agent(
        common_name=names.own,
        days=call.number("days"),
        dns_names=names.dns,
        ip_addresses=names.addresses,
        has_purposes=names.kind != "cli",
    )
    try:
        pair = make_agent(wanted, issuer_of(ca, ca_key), wall_s())
    except BadRequest as error:
        raise Failure(str(error)) from None
    certificate_file, key_file = _free_names(call, names.kind)
    if names.kind == "server":
        print(SERVER_WARNING)
    print(f"==> Using {ca_file} and {ca_key_file}")
    _save(certificate_file, pair.certificate, CERTIFICATE_MODE)
    _save(key_file, pair.key, KEY_MODE)
    return EXIT_OK


def _names(call: Call) -> Names:
    chosen = [kind for kind in ("server", "client", "cli") if call.switch(kind)]
    if len(chosen) != 1:
        raise Failure("Please provide either -server, -client, or -cli")
    kind = chosen[0]
    node, datacenter, domain = call.text("node"), call.text("dc"), call.text("domain")
    if node and kind != "server":
        raise Failure("-node requires -server")
    own = f"{kind}.{datacenter}.{domain}"
    if kind == "cli":
        return Names(own, (own, "localhost"), (), kind)
    more = tuple(name.strip() for name in call.texts("additional-dnsname") if name.strip())
    named = (f"{node}.server.{datacenter}.{domain}",) if node else ()
    addresses = tuple(each.strip() for each in call.texts("additional-ipaddress") if each.strip())
    return Names(own, (*more, *named, own, "localhost"), (*addresses, "127.0.0.1"), kind)


def _authority_file(call: Call, flag: str) -> Path:
    written = call.text(flag)
    if not written:
        raise Failure(f"Please provide the {flag}")
    return Path(written.replace(_DOMAIN, call.text("domain"), 1))


def _free_names(call: Call, kind: str) -> tuple[Path, Path]:
    prefix = f"{call.text('dc')}-{kind}-{call.text('domain')}"
    for number in range(CERTIFICATES_MAX + 1):
        certificate, key = Path(f"{prefix}-{number}.pem"), Path(f"{prefix}-{number}-key.pem")
        if not certificate.exists() and not key.exists():
            return certificate, key
    raise Failure("Could not find a filename that doesn't already exist")


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else error
        raise Failure(f"Error reading {what}: open {path}: {reason}") from None


def _save(path: Path, text: str, mode: int) -> None:
    """Write a file that is not there yet; a key is never readable by others, not for a moment."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
    except OSError as error:
        raise Failure(f"Error writing {path}: {(error.strerror or str(error)).lower()}") from None
    print(f"==> Saved {path}")
