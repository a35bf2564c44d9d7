"""What the authority asks of whoever holds the signing keys: the builtin provider, or Vault."""

from typing import Final, NamedTuple, Protocol

from cryptography import x509
from msgspec.structs import replace

from agent.connect import certificates
from agent.connect.certificates import Life, Subject
from agent.connect.keys import kind_of
from catalog.rows.connect import CARoot, CASigner

UINT64_MASK: Final = 2**64 - 1  # the API shows serial numbers of roots as unsigned 64 bits


class NewRoot(NamedTuple):
    """A root and, if it is kept here, its key. Its only intermediate is the one that signs."""

    root: CARoot
    signer: CASigner | None = None


class Asked(NamedTuple):
    """A leaf to be signed. ``subject`` is for those who do not read the request themselves."""

    request_pem: str
    subject: Subject
    life: Life


class Provider(Protocol):
    """Holds keys and signs with them. Everything may raise Invalid, with a text for people."""

    async def make_root(self) -> NewRoot:
        """The root of the settings: made, or found if it is there already."""

    async def cross_sign(self, root: x509.Certificate) -> str:
        """Another root's subject and key signed by the present root, as PEM."""

    async def sign(self, asked: Asked) -> str:
        """A leaf as PEM, without the certificates above it."""

    async def sign_intermediate(self, request_pem: str) -> str:
        """An intermediate of another datacenter below the root, as PEM."""

    async def renew_intermediate(self) -> NewRoot | None:
        """The present root with a new intermediate that signs from now on; None if it has none."""

    async def keep_access(self) -> None:
        """Renew the right to sign, if it is one that ends; called about once a minute."""


def root_row(
    pem: str, provider: str, cluster_id: str, intermediate_pem: str | None = None
) -> CARoot:
    """An active root as it is stored; ``provider`` is its name for people."""
    certificate = certificates.parse_certificate(pem)
    kind = kind_of(certificates.public_key_of(certificate))
    row = CARoot(
        id=certificates.fingerprint(certificate),
        name=f"{provider} CA Root Cert",
        serial_number=certificate.serial_number & UINT64_MASK,
        signing_key_id=certificates.signing_key_id(certificate),
        external_trust_domain=cluster_id,
        not_before=certificates.rfc3339(certificate.not_valid_before_utc),
        not_after=certificates.rfc3339(certificate.not_valid_after_utc),
        root_cert=pem,
        active=True,
        private_key_type=kind.type,
        private_key_bits=kind.bits,
    )
    return row if intermediate_pem is None else with_intermediate(row, intermediate_pem)


def with_intermediate(root: CARoot, pem: str) -> CARoot:
    """The root with another intermediate that signs; what leads to older roots stays first."""
    signer = certificates.parse_certificate(pem)
    return replace(
        root,
        intermediate_certs=(*crossings(root), pem),
        signing_key_id=certificates.signing_key_id(signer),
    )


def with_crossings(root: CARoot, pems: tuple[str, ...]) -> CARoot:
    """The root with what leads from it to older roots, before its own intermediate."""
    signing = signing_intermediate(root)
    intermediates = (*pems, *(() if signing is None else (signing,)))
    return replace(root, intermediate_certs=intermediates or None)


def crossings(root: CARoot) -> tuple[str, ...]:
    """The root's own subject and key as older roots signed them."""
    return tuple(pem for pem in root.intermediate_certs or () if _is_crossing(pem, root))


def signing_intermediate(root: CARoot) -> str | None:
    """The intermediate that signs leaves; None if the root does."""
    signing = (pem for pem in root.intermediate_certs or () if not _is_crossing(pem, root))
    return next(signing, None)


def _is_crossing(pem: str, root: CARoot) -> bool:
    own = certificates.public_key_of(certificates.parse_certificate(root.root_cert))
    return certificates.same_key(
        certificates.public_key_of(certificates.parse_certificate(pem)), own
    )
