"""sameness-group: partitions and peers with the same services. Consul refuses it in its community
edition, and so do we: it is read so that the refusal says why. Since 1.16."""

from typing import Final

from typing_extensions import override

from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry
from catalog.schema import Omit, Row

SAMENESS_GROUP: Final = "sameness-group"


class SamenessGroupMember(Row, frozen=True, kw_only=True):
    """A partition of this cluster or a peer."""

    partition: Omit[str] = ""
    peer: Omit[str] = ""


class SamenessGroup(Entry, frozen=True, kw_only=True, tag=SAMENESS_GROUP):
    """Members, in the order in which they are tried."""

    default_for_failover: Omit[bool] = False
    include_local: Omit[bool] = False
    members: Omit[tuple[SamenessGroupMember, ...] | None] = None

    @override
    def validate(self) -> None:
        raise Invalid("sameness-groups are an enterprise-only feature")
