"""In which order the targets of a failover are tried. Since 1.16."""

from catalog.schema import Omit, Row


class FailoverPolicy(Row, frozen=True, kw_only=True):
    """``mode``: "" or sequential, or order-by-locality, which only Consul Enterprise knows."""

    mode: Omit[str] = ""
    regions: Omit[tuple[str, ...] | None] = None


class PrioritizeByLocality(Row, frozen=True, kw_only=True):
    """Whether near instances are preferred: "", none or failover. Since 1.17."""

    mode: Omit[str] = ""
