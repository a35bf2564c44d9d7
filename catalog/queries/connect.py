"""What the mesh's certificate authority is at present. Source: Consul API, /v1/connect/ca."""

from catalog.read import Read
from catalog.rows.connect import CAConfiguration, CARoots, trust_domain
from catalog.tables import CA_CONFIGURATION, CA_ROOTS

ROOTS_INDEX = CA_ROOTS.name
CONFIGURATION_INDEX = CA_CONFIGURATION.name


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
