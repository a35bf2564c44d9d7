"""One stream of aggregated discovery: what is asked for, what is known there, and what to say next.

Both forms of the protocol are spoken: the state of the world, where an answer has everything of a
type, and delta, where it has what changed. A change is sent in the order in which things refer to
each other, and clusters that are no longer needed go last, when the listeners were taken.
Pure: requests and resources in, answers out.
Source: Envoy, xDS protocol (https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol).
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec

from agent.mesh.xds.names import CLUSTER, ENDPOINTS, IN_ORDER, LISTENER, Json
from agent.mesh.xds.resources import Resources

WILDCARD: Final = frozenset({CLUSTER, LISTENER})
"""Types of which a proxy is given all without naming them."""
NAMES_MAX: Final = 100_000  # asked for on one stream: far beyond any proxy's clusters


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request. State of the world: ``names`` are all; delta: ``names`` come, ``gone`` go.

    ``known``: versions that the proxy has from an earlier stream (delta). ``error``: the answer
    with this nonce was refused.
    """

    type_url: str
    nonce: str = ""
    names: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    known: dict[str, str] = msgspec.field(default_factory=dict)
    error: str = ""


class Give(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: resources by name with their versions; ``removed`` is of delta."""

    type_url: str
    version: str
    nonce: str
    resources: dict[str, Json]
    versions: dict[str, str]
    removed: tuple[str, ...] = ()


class _Subscription:
    """One type on this stream. ``sent``: versions by name; ``names`` None: all."""

    def __init__(self) -> None:
        self.names: set[str] | None = None
        self.sent: dict[str, str] = {}
        self.nonce = ""


class Session:
    """See the module. ``is_delta``: which form the stream speaks."""

    def __init__(self, *, is_delta: bool) -> None:
        self._is_delta = is_delta
        self._resources: Resources | None = None
        self._leaving: dict[str, Json] = {}
        self._subscriptions: dict[str, _Subscription] = {}
        self._counted = 0
        self.refused: dict[str, str] = {}
        """What the proxy said of the last answer of a type that it refused, until it takes one."""

    def replace(self, resources: Resources) -> list[Give]:
        """The answers that a new configuration is worth."""
        clusters = resources.get(CLUSTER, {})
        before = (self._resources or {}).get(CLUSTER, {})
        self._leaving = {
            name: cluster
            for name, cluster in {**self._leaving, **before}.items()
            if name not in clusters
        }
        if LISTENER not in self._subscriptions:
            self._leaving = {}
        # A changed cluster waits for its endpoints, though they be the same.
        changed = {name for name in clusters if before.get(name) not in (None, clusters[name])}
        self._resources = resources
        endpoints = self._subscriptions.get(ENDPOINTS)
        for name in changed if endpoints else ():
            assert endpoints is not None
            endpoints.sent.pop(name, None)
        given = self._due()
        if not any(give.type_url == LISTENER for give in given):
            given += self._let_clusters_go()
        return given

    def ask(self, request: Ask) -> list[Give]:
        """The answers to a request."""
        subscription = self._subscriptions.get(request.type_url)
        is_first = subscription is None
        if subscription is None:
            subscription = self._subscriptions[request.type_url] = _Subscription()
            subscription.sent = dict(request.known)
        elif request.nonce and request.nonce != subscription.nonce:
            if not self._is_delta:
                return []  # of an answer that another one has overtaken
        elif request.nonce:
            self._answered(request)
        self._subscribe(subscription, request, is_first=is_first)
        given = self._due([request.type_url])
        if request.type_url == LISTENER and request.nonce and not request.error:
            given += self._let_clusters_go()
        return given

    def again(self) -> list[Give]:
        """What was refused once more: a port that was held may be free by now."""
        refused, self.refused = list(self.refused), {}
        for type_url in refused:
            self._subscriptions[type_url].sent.clear()
        return self._due(refused)

    def _answered(self, request: Ask) -> None:
        if request.error:
            self.refused[request.type_url] = request.error
        else:
            self.refused.pop(request.type_url, None)

    def _subscribe(self, subscription: _Subscription, request: Ask, *, is_first: bool) -> None:
        wanted = set(request.names[:NAMES_MAX])
        if not self._is_delta:
            takes_all = request.type_url in WILDCARD and not wanted
            before = subscription.names
            subscription.names = None if takes_all else wanted
            for name in (wanted - before) if before is not None else ():
                subscription.sent.pop(name, None)
            return
        if is_first and not wanted and request.type_url in WILDCARD:
            subscription.names = None
            return
        if subscription.names is None and not is_first:
            return
        subscription.names = ((subscription.names or set()) | wanted) - set(request.gone)
        for name in (*wanted, *request.gone):
            if name not in request.known:
                subscription.sent.pop(name, None)

    def _let_clusters_go(self) -> list[Give]:
        if not self._leaving:
            return []
        self._leaving = {}
        return self._due([CLUSTER])

    def _due(self, types: Iterable[str] = IN_ORDER) -> list[Give]:
        """What is to be said of types; nothing before there is a configuration, for a proxy that
        comes back would take nothing for an empty one.
        """
        if self._resources is None:
            return []
        given = []
        for type_url in types:
            subscription = self._subscriptions.get(type_url)
            if subscription is not None:
                give = self._give(type_url, subscription, self._resources.get(type_url, {}))
                given += [give] if give else []
        return given

    def _give(
        self, type_url: str, subscription: _Subscription, present: dict[str, Json]
    ) -> Give | None:
        """What of a type is not known there; None if nothing."""
        if type_url == CLUSTER:
            present = {**self._leaving, **present}
        if subscription.names is not None:
            present = {name: present[name] for name in subscription.names & present.keys()}
        versions = {name: version_of(resource) for name, resource in present.items()}
        changed = [n for n, version in versions.items() if subscription.sent.get(n) != version]
        removed = [name for name in subscription.sent if name not in versions]
        # The first answer is waited for, also if it is empty.
        is_waited_for = not subscription.nonce and type_url in WILDCARD
        if not changed and not removed and not is_waited_for:
            return None
        if not self._is_delta and not present and type_url not in WILDCARD:
            return None  # nothing of what was named is there yet
        self._counted += 1
        subscription.nonce = str(self._counted)
        subscription.sent = versions
        told = changed if self._is_delta else list(present)
        return Give(
            type_url=type_url,
            version=str(self._counted),
            nonce=subscription.nonce,
            resources={name: present[name] for name in told},
            versions={name: versions[name] for name in told},
            removed=tuple(removed) if self._is_delta else (),
        )


def version_of(resource: Json) -> str:
    """A name of a resource's content."""
    return sha256(msgspec.json.encode(resource)).hexdigest()[:16]
