"""The entry points of the configuration: flags to a frozen value, and the ``validate`` command."""

from collections.abc import Sequence

import msgspec

from agent.config.flags import Flags
from agent.config.merge import merge
from agent.config.normalise import normalise
from agent.config.root import Root
from agent.config.runtime import RuntimeConfig, Surroundings, build
from agent.config.sockaddr import Interface
from agent.config.sources import Sources, read_files, read_sources
from agent.config.tree import Block
from agent.config.validation import validate_whole


def load(flags: Flags, *, interfaces: Sequence[Interface], hostname: str) -> RuntimeConfig:
    """The configuration of these flags and the files they name.

    Called at start and again at every reload. Raises ConfigError, whose text is for the user.
    """
    around = Surroundings(hostname, interfaces, flags.dev)
    return _finish(read_sources(flags), around)


def validate(
    paths: Sequence[str],
    config_format: str = "",
    *,
    interfaces: Sequence[Interface] = (),
    hostname: str = "validate",
) -> tuple[str, ...]:
    """Judge files as a start would; gives warnings, raises ConfigError for the first fault.

    Without interfaces a loopback address stands in, so that files can be judged on another host.
    """
    warnings: list[str] = []
    trees: list[Block] = []
    for raw in read_files(paths, config_format, warnings):
        checked, old_keys = normalise(raw)
        trees.append(checked)
        warnings += old_keys
    stand_in = interfaces or (Interface("stand-in", "10.0.0.1"),)
    around = Surroundings(hostname, stand_in, dev=False)
    return _finish(Sources(tuple(trees), tuple(warnings)), around).warnings


def _finish(sources: Sources, around: Surroundings) -> RuntimeConfig:
    tree = merge(sources.trees, Root)
    config = build(tree, around, sources.warnings)
    more = validate_whole(config, tree)
    return msgspec.structs.replace(config, warnings=(*config.warnings, *more))
