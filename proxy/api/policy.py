"""Who may come in: intentions, permissions and tokens. Source: Consul, service-intentions."""

from proxy.api.value import Value


class HeaderMatch(Value, frozen=True, kw_only=True):
    """A condition on a header; exactly one way of comparing is set."""

    name: str
    present: bool = False
    exact: str = ""
    prefix: str = ""
    suffix: str = ""
    contains: str = ""
    regex: str = ""
    invert: bool = False
    ignore_case: bool = False


class ClaimMatch(Value, frozen=True, kw_only=True):
    """A claim at ``path`` that must be ``value``, or hold it if it is a list."""

    path: tuple[str, ...]
    value: str


class JwtRequirement(Value, frozen=True, kw_only=True):
    """A token of one of the providers (name and claims) must be there."""

    providers: tuple[tuple[str, tuple[ClaimMatch, ...]], ...]


class JwtLocation(Value, frozen=True, kw_only=True):
    """Where a token is looked for; one of the three. ``forward``: the header is passed on."""

    header: str = ""
    value_prefix: str = ""
    query_param: str = ""
    cookie: str = ""
    forward: bool = False


class JwtProvider(Value, frozen=True, kw_only=True):
    """``keys`` is a JSON Web Key Set as JSON; the agent keeps it fresh."""

    name: str
    issuer: str = ""
    audiences: tuple[str, ...] = ()
    keys: str = ""
    locations: tuple[JwtLocation, ...] = ()
    forward_header: str = ""
    pad_forward_header: bool = False
    clock_skew_s: float = 30.0


class Permission(Value, frozen=True, kw_only=True):
    """A rule on requests; all of its conditions must hold."""

    allow: bool
    path_exact: str = ""
    path_prefix: str = ""
    path_regex: str = ""
    headers: tuple[HeaderMatch, ...] = ()
    methods: tuple[str, ...] = ()
    jwt: JwtRequirement | None = None


class Intention(Value, frozen=True, kw_only=True):
    """One source and what it may do: ``allow``, or the first matching of ``permissions``.

    ``source``: a service or ``*``; ``name`` describes it, as the API does.
    """

    source: str
    precedence: int
    allow: bool = False
    permissions: tuple[Permission, ...] = ()
    jwt: JwtRequirement | None = None
    name: str = ""


class Policy(Value, frozen=True, kw_only=True):
    """The intentions of a destination, highest precedence first; the first of a source decides.

    ``trust_domains``: those of the mesh's roots, a peer of another one is nobody.
    """

    destination: str
    intentions: tuple[Intention, ...] = ()
    default_allow: bool = False
    default_reason: str = ""
    trust_domains: tuple[str, ...] = ()
    jwt_providers: tuple[JwtProvider, ...] = ()
