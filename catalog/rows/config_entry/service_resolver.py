"""service-resolver: the subsets of a service, and where it is looked for."""

import re
from typing import Final

from typing_extensions import override

from catalog.duration import Duration, format_duration
from catalog.errors import Invalid
from catalog.rows.config_entry.entry import Entry, quoted, refuse_enterprise
from catalog.rows.config_entry.failover_policy import (
    FailoverPolicy,
    PrioritizeByLocality,
    validate_failover_policy,
    validate_locality,
)
from catalog.rows.config_entry.load_balancer import LoadBalancer, validate_load_balancer
from catalog.schema import Omit, Row, go_name

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
            self._validate_redirect(self.redirect)
        for name, failover in (self.failover or {}).items():
            self._validate_failover(name, failover)
        for field, timeout in (
            ("ConnectTimeout", self.connect_timeout),
            ("RequestTimeout", self.request_timeout),
        ):
            if timeout < 0:
                message = f"Bad {field} '{format_duration(timeout)}', must be >= 0"
                raise Invalid(message)
        if self.load_balancer is not None:
            validate_load_balancer(self.load_balancer)
        validate_locality(self.prioritize_by_locality)

    def _validate_redirect(self, redirect: Redirect) -> None:
        fault = ""
        if self.failover:
            fault = "Redirect and Failover cannot both be set"
        elif redirect == Redirect():
            fault = "Redirect is empty"
        elif redirect.peer:
            fault = _peer_fault("Redirect.", redirect)
        if not fault and not redirect.service:
            for field in ("service_subset", "namespace", "partition", "peer"):
                if getattr(redirect, field):
                    fault = f"Redirect.{go_name(field)} defined without Redirect.Service"
                    break
        elif not fault and self._lacks(redirect.service, redirect.service_subset):
            fault = (
                f"Redirect.ServiceSubset {quoted(redirect.service_subset)} "
                f"is not a valid subset of {quoted(redirect.service)}"
            )
        if fault:
            raise Invalid(fault)
        refuse_enterprise(
            "Redirect: ",
            partition=redirect.partition,
            namespace=redirect.namespace,
            sameness_group=redirect.sameness_group,
        )

    def _lacks(self, service: str, subset: str) -> bool:
        """Whether a subset is asked of this service that it does not have."""
        return service in {"", self.name} and not self.has_subset(subset)

    def _validate_failover(self, subset: str, failover: Failover) -> None:
        place = f"Bad Failover[{quoted(subset)}]"
        refuse_enterprise(
            f"{place}: ", namespace=failover.namespace, sameness_group=failover.sameness_group
        )
        fault = ""
        if subset != ANY_SUBSET and subset not in (self.subsets or {}):
            fault = ": not a valid subset"
        elif not (
            failover.service
            or failover.service_subset
            or failover.namespace
            or failover.datacenters
            or failover.targets
        ):
            fault = " one of Service, ServiceSubset, Namespace, or Datacenters is required"
        elif self._lacks(failover.service, failover.service_subset):
            fault = (
                f".ServiceSubset {quoted(failover.service_subset)} "
                f"is not a valid subset of {quoted(failover.service)}"
            )
        elif "" in (failover.datacenters or ()):
            fault = ".Datacenters: found empty datacenter"
        if failover.targets and not fault:
            for field in ("datacenters", "service_subset", "service"):
                if getattr(failover, field):
                    fault = f": Targets cannot be set with {go_name(field)}"
                    break
        if fault:
            message = f"{place}{fault}"
            raise Invalid(message)
        for number, target in enumerate(failover.targets or ()):
            self._validate_target(f"{place}.Targets[{number}]: ", target)
        validate_failover_policy(f"{place}: ", failover.policy)

    def _validate_target(self, place: str, target: FailoverTarget) -> None:
        refuse_enterprise(place, partition=target.partition, namespace=target.namespace)
        fault = _peer_fault("", target) if target.peer else ""
        if not fault and target == FailoverTarget():
            fault = "one of Service, ServiceSubset, Datacenter, or Peer is required"
        if not fault and self._lacks(target.service, target.service_subset):
            fault = (
                f"ServiceSubset {quoted(target.service_subset)} "
                f"is not a valid subset of {quoted(self.name)}"
            )
        if fault:
            message = f"{place}{fault}"
            raise Invalid(message)


def _peer_fault(prefix: str, place: Redirect | FailoverTarget) -> str:
    """What a place with a peer may not have; ``prefix`` stands before each field."""
    if place.service_subset:
        return f"{prefix}Peer cannot be set with {prefix}ServiceSubset"
    if place.partition:
        return f"{prefix}Partition cannot be set with {prefix}Peer"
    if place.datacenter:
        return f"{prefix}Peer cannot be set with {prefix}Datacenter"
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
