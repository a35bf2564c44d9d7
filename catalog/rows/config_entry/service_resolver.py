"""service-resolver: the subsets of a service, and where it is looked for."""

import re
from typing import Final

from typing_extensions import override

from catalog.duration import Duration, format_duration
from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry, quoted
from catalog.rows.config_entry.failover_policy import FailoverPolicy, PrioritizeByLocality
from catalog.rows.config_entry.load_balancer import LoadBalancer, validate_load_balancer
from catalog.schema import Omit, Row

SERVICE_RESOLVER: Final = "service-resolver"
ANY_SUBSET: Final = "*"
SUBSET_NAME_BYTES_MAX: Final = 63
"""A subset's name is a DNS label."""

_SUBSET_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


class Subset(Row, frozen=True, kw_only=True):
    """Some of the instances; ``filter`` is an expression over CheckServiceNode."""

    filter: Omit[str] = ""
    only_passing: Omit[bool] = False


class Redirect(Row, frozen=True, kw_only=True):
    """The service that is looked for instead."""

    service: Omit[str] = ""
    service_subset: Omit[str] = ""
    namespace: Omit[str] = ""
    partition: Omit[str] = ""
    datacenter: Omit[str] = ""
    peer: Omit[str] = ""
    sameness_group: Omit[str] = ""


class FailoverTarget(Row, frozen=True, kw_only=True):
    """One place that is looked at when no instance is left; what is empty stays. Since 1.14."""

    service: Omit[str] = ""
    service_subset: Omit[str] = ""
    partition: Omit[str] = ""
    namespace: Omit[str] = ""
    datacenter: Omit[str] = ""
    peer: Omit[str] = ""


class Failover(Row, frozen=True, kw_only=True):
    """Where instances are looked for when none is left: datacenters, or ``targets`` in order."""

    service: Omit[str] = ""
    service_subset: Omit[str] = ""
    namespace: Omit[str] = ""
    datacenters: Omit[tuple[str, ...] | None] = None
    targets: Omit[tuple[FailoverTarget, ...] | None] = None
    policy: Omit[FailoverPolicy | None] = None
    sameness_group: Omit[str] = ""


class ServiceResolver(Entry, frozen=True, kw_only=True, tag=SERVICE_RESOLVER):
    """``failover`` is by subset, ``*`` for all; timeouts are nanoseconds, 0 for the default."""

    default_subset: Omit[str] = ""
    subsets: Omit[dict[str, Subset] | None] = None
    redirect: Omit[Redirect | None] = None
    failover: Omit[dict[str, Failover] | None] = None
    connect_timeout: Omit[Duration] = 0
    request_timeout: Omit[Duration] = 0
    load_balancer: Omit[LoadBalancer | None] = None
    prioritize_by_locality: Omit[PrioritizeByLocality | None] = None

    @property
    def is_default(self) -> bool:
        """Whether the entry changes nothing about how the service is resolved."""
        return not (
            self.default_subset
            or self.subsets
            or self.redirect
            or self.failover
            or self.connect_timeout
            or self.request_timeout
            or self.load_balancer
        )

    def has_subset(self, subset: str) -> bool:
        """Whether the name may be asked for; the empty one means all instances."""
        return not subset or subset in (self.subsets or {})

    @override
    def validate(self) -> None:
        super().validate()
        for subset in self.subsets or {}:
            fault = _subset_name_fault(subset)
            if fault:
                raise Invalid(fault)
        if not self.has_subset(self.default_subset):
            message = f"DefaultSubset {quoted(self.default_subset)} is not a valid subset"
            raise Invalid(message)
        if self.redirect is not None:
            fault = self._redirect_fault(self.redirect)
            if fault:
                raise Invalid(fault)
        for subset, failover in (self.failover or {}).items():
            fault = self._failover_fault(subset, failover)
            if fault:
                raise Invalid(fault)
        for name, timeout in (
            ("ConnectTimeout", self.connect_timeout),
            ("RequestTimeout", self.request_timeout),
        ):
            if timeout < 0:
                message = f"Bad {name} '{format_duration(timeout)}', must be >= 0"
                raise Invalid(message)
        if self.load_balancer is not None:
            validate_load_balancer(self.load_balancer)

    def _redirect_fault(self, redirect: Redirect) -> str:
        if self.failover:
            return "Redirect and Failover cannot both be set"
        if redirect == Redirect():
            return "Redirect is empty"
        if not redirect.service:
            if redirect.service_subset:
                return "Redirect.ServiceSubset defined without Redirect.Service"
            if redirect.namespace:
                return "Redirect.Namespace defined without Redirect.Service"
        elif redirect.service == self.name and not self.has_subset(redirect.service_subset):
            return (
                f"Redirect.ServiceSubset {quoted(redirect.service_subset)} "
                f"is not a valid subset of {quoted(redirect.service)}"
            )
        return ""

    def _failover_fault(self, subset: str, failover: Failover) -> str:
        place = f"Bad Failover[{quoted(subset)}]"
        if subset != ANY_SUBSET and subset not in (self.subsets or {}):
            return f"{place}: not a valid subset"
        if failover == Failover(datacenters=failover.datacenters) and not failover.datacenters:
            return f"{place} one of Service, ServiceSubset, Namespace, or Datacenters is required"
        if failover.service in {"", self.name} and not self.has_subset(failover.service_subset):
            return (
                f"{place}.ServiceSubset {quoted(failover.service_subset)} "
                f"is not a valid subset of {quoted(failover.service)}"
            )
        if "" in (failover.datacenters or ()):
            return f"{place}.Datacenters: found empty datacenter"
        return ""


def _subset_name_fault(subset: str) -> str:
    if not subset:
        return "Subset defined with empty name"
    if len(subset.encode()) > SUBSET_NAME_BYTES_MAX or not _SUBSET_NAME.fullmatch(subset):
        return (
            f"Subset {quoted(subset)} is invalid: must be 63 characters or fewer, begin or end "
            "with lower case alphanumeric characters, and contain lower case alphanumeric "
            "characters or '-' in between"
        )
    return ""
