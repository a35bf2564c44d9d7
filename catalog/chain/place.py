"""What a resolver looks for: a service, some of its instances, somewhere."""

import msgspec

from catalog.chain.compiled import target_id


class Place(msgspec.Struct, frozen=True):
    """A place in a datacenter, or with a peer, which then has the only say over it."""

    service: str
    subset: str
    datacenter: str
    peer: str = ""

    @property
    def id(self) -> str:
        """The id of the target."""
        return target_id(self.service, self.subset, self.datacenter, self.peer)

    def moved(
        self, service: str = "", subset: str = "", datacenter: str = "", peer: str = ""
    ) -> "Place":
        """Another place: what is empty stays, but a subset belongs to one service."""
        if peer:
            return Place(service or self.service, "", "", peer)
        other = bool(service) and service != self.service
        return Place(
            service or self.service,
            subset or ("" if other else self.subset),
            datacenter or self.datacenter,
            self.peer,
        )
