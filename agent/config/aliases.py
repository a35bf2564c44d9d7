"""Old and second spellings of keys, rewritten to the one spelling of the schema.

TLS keys at the top are the form of 1.9, the ``tls`` section that of 1.21: both stay valid and mean
the same. Aliases marked ``deprecated`` are accepted with a warning. Source: surface §5.2.
"""

from typing import Any, Final, NamedTuple

from agent.config.tree import Block, ConfigError, Origin


class Alias(NamedTuple):
    """One old key: ``section`` and ``key`` as written, ``path`` in the schema."""

    section: tuple[str, ...]
    key: str
    path: tuple[str, ...]
    deprecated: bool = False


def _alias(old: str, new: str, *, deprecated: bool = False) -> Alias:
    *section, key = old.split("/")
    return Alias(tuple(section), key, tuple(new.split("/")), deprecated)


_TLS_KEYS: Final = ("ca_file", "ca_path", "cert_file", "key_file", "verify_incoming")

ALIASES: Final = (
    *(_alias(key, f"tls/defaults/{key}") for key in _TLS_KEYS),
    _alias("verify_outgoing", "tls/defaults/verify_outgoing"),
    _alias("verify_incoming_rpc", "tls/internal_rpc/verify_incoming"),
    _alias("verify_incoming_https", "tls/https/verify_incoming"),
    _alias("verify_server_hostname", "tls/internal_rpc/verify_server_hostname"),
    _alias("tls_min_version", "tls/defaults/tls_min_version"),
    _alias("tls_cipher_suites", "tls/defaults/tls_cipher_suites"),
    _alias("acl/tokens/master", "acl/tokens/initial_management"),
    _alias("acl/tokens/agent_master", "acl/tokens/agent_recovery"),
    _alias("telemetry/disable_compat_1.9", "telemetry/disable_compat_1_9"),
    _alias("non_voting_server", "read_replica", deprecated=True),
    _alias("ui", "ui_config/enabled", deprecated=True),
    _alias("ui_dir", "ui_config/dir", deprecated=True),
    _alias("ui_content_path", "ui_config/content_path", deprecated=True),
    _alias("acl_datacenter", "primary_datacenter", deprecated=True),
    _alias("acl_default_policy", "acl/default_policy", deprecated=True),
    _alias("acl_down_policy", "acl/down_policy", deprecated=True),
    _alias("acl_ttl", "acl/token_ttl", deprecated=True),
    _alias("acl_enable_key_list_policy", "acl/enable_key_list_policy", deprecated=True),
    _alias("enable_acl_replication", "acl/enable_token_replication", deprecated=True),
    _alias("acl_token", "acl/tokens/default", deprecated=True),
    _alias("acl_agent_token", "acl/tokens/agent", deprecated=True),
    _alias("acl_master_token", "acl/tokens/initial_management", deprecated=True),
    _alias("acl_agent_master_token", "acl/tokens/agent_recovery", deprecated=True),
    _alias("acl_replication_token", "acl/tokens/replication", deprecated=True),
    _alias("start_join_lan", "start_join", deprecated=True),
)
"""Every alias; several may lead to one key, but a file may set that key only once."""

SINGULARS: Final = {"service": "services", "check": "checks"}
"""Keys whose objects are added to the list of the plural key."""

IGNORED: Final = frozenset({"tls_prefer_server_cipher_suites", "acl_enforce_version_8"})
"""Keys that are accepted and mean nothing any more; each gives a warning."""


def resolve_aliases(block: Block) -> tuple[Block, list[str]]:
    """The block in the schema's spelling, and the warnings for its old keys.

    Raises ConfigError when a key is set in two spellings within one source.
    """
    result = _copied(block)
    warnings: list[str] = []
    for alias in ALIASES:
        holder = _section(result, alias.section)
        if holder is None or alias.key not in holder:
            continue
        value, origin = holder.pop(alias.key), holder.origins.pop(alias.key, None)
        if alias.deprecated:
            new = ".".join(alias.path)
            warnings.append(_warn(origin, f"{alias.key} is deprecated, use {new}"))
        _put(result, alias, value, origin)
    for key in sorted(IGNORED & result.keys()):
        warnings.append(_warn(result.origins.pop(key, None), f"{key} has no effect"))
        del result[key]
    for singular, plural in SINGULARS.items():
        _join_singular(result, singular, plural)
    return result, warnings


def _copied(value: Any) -> Any:
    """Blocks are copied, so that the parsed text stays as it is; leaves are shared."""
    if not isinstance(value, Block):
        return value
    result = Block({key: _copied(item) for key, item in value.items()})
    result.origins = dict(value.origins)
    return result


def _section(block: Block, path: tuple[str, ...]) -> Block | None:
    here: Any = block
    for key in path:
        here = here.get(key)
        if not isinstance(here, Block):
            return None
    return here if isinstance(here, Block) else None


def _put(block: Block, alias: Alias, value: Any, origin: Origin | None) -> None:
    here = block
    for key in alias.path[:-1]:
        inner = here.get(key)
        if inner is None:
            inner = Block()
            here.put(key, inner, origin)
        if not isinstance(inner, Block):
            message = f"{key} must be a single block to be used beside {alias.key}"
            raise ConfigError(message, origin=origin)
        here = inner
    if here.get(alias.path[-1]) is not None:
        message = f"set twice, as {'.'.join((*alias.section, alias.key))} too"
        raise ConfigError(message, path=".".join(alias.path), origin=origin)
    here.put(alias.path[-1], value, origin)


def _join_singular(block: Block, singular: str, plural: str) -> None:
    if singular not in block:
        return
    value, origin = block.pop(singular), block.origins.pop(singular, None)
    items = value if isinstance(value, list) else [value]
    before = block.get(plural)
    if isinstance(before, list):
        items = [*before, *items]
    elif before is not None:
        items = [before, *items]
    block.put(plural, items, block.origins.get(plural, origin))


def _warn(origin: Origin | None, message: str) -> str:
    return f"{origin}: {message}" if origin else message
