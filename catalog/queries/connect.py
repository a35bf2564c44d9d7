"""What the mesh's certificate authority is at present. Source: Consul API, /v1/connect/ca."""

from catalog.read import Read
from catalog.rows.connect import CAConfiguration, CALeaf, CARevocation, CARoots, trust_domain
from catalog.tables import CA_CONFIGURATION, CA_LEAVES, CA_REVOCATIONS, CA_ROOTS

ROOTS_INDEX = CA_ROOTS.name
CONFIGURATION_INDEX = CA_CONFIGURATION.name
LEAVES_INDEX = CA_LEAVES.name
REVOCATIONS_INDEX = CA_REVOCATIONS.name


def roots(read: Read) -> CARoots:
    """All roots; without any, before the first leader made one, the texts are empty."""
    read.depend(ROOTS_INDEX, CONFIGURATION_INDEX)
    configuration = read.store.get(CA_CONFIGURATION, "")
    found = read.store.all(CA_ROOTS)
    return CARoots(
        active_root_id=next((root.id for root in found if root.active), ""),
        trust_domain=trust_domain(configuration.cluster_id) if configuration else "",
        roots=tuple(found),
    )


def configuration(read: Read) -> CAConfiguration | None:
    """The provider's configuration; None before the first leader stored one."""
    read.depend(CONFIGURATION_INDEX)
    return read.store.get(CA_CONFIGURATION, "")


def leaves(read: Read) -> list[CALeaf]:
    """The leaves that were signed and have not ended, in the order of their signing."""
    read.depend(LEAVES_INDEX)
    return sorted(read.store.all(CA_LEAVES), key=lambda row: row.create_index)


def revocations(read: Read) -> tuple[CARevocation, ...]:
    """The leaves that are refused, in the order of their revocation."""
    read.depend(REVOCATIONS_INDEX)
    return tuple(sorted(read.store.all(CA_REVOCATIONS), key=lambda row: row.create_index))


def is_revoked(read: Read, serial: str) -> bool:
    """Whether the leaf of a serial number, as it is stored, is refused."""
    read.depend(REVOCATIONS_INDEX)
    return read.store.get(CA_REVOCATIONS, serial) is not None
