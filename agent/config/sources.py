"""The trees of a configuration, weakest first.

Order: built-in defaults (the schema's), -dev, list flags, files and directories as given, scalar
flags, -hcl fragments. A directory gives its .hcl and .json files by name and is not entered deeper.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from agent.config.flags import Flags
from agent.config.hcl import parse_hcl
from agent.config.json_text import parse_json
from agent.config.normalise import normalise
from agent.config.tree import Block, ConfigError, Origin

FILE_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes of one file: thousands of services, while a mistaken path cannot fill the memory."""

_SUFFIXES: Final = {".hcl": "hcl", ".json": "json"}

DEV_TEXT: Final = """
bind_addr = "127.0.0.1"
disable_anonymous_signature = true
disable_keyring_file = true
enable_debug = true
log_level = "DEBUG"
server = true
ui_config { enabled = true }
connect { enabled = true }
performance { raft_multiplier = 1 }
ports { grpc = 8502 }
gossip_lan {
  gossip_interval = "100ms"
  probe_interval = "100ms"
  probe_timeout = "100ms"
  suspicion_mult = 3
}
gossip_wan {
  gossip_interval = "100ms"
  probe_interval = "100ms"
  probe_timeout = "100ms"
  suspicion_mult = 3
}
"""
"""What -dev sets, in the language of the files. Source: surface §5.2."""


class Sources(NamedTuple):
    """Checked trees, weakest first, and the warnings for the user."""

    trees: tuple[Block, ...]
    warnings: tuple[str, ...]


def read_sources(flags: Flags) -> Sources:
    """Everything that was said about the configuration; raises ConfigError for the first fault."""
    warnings: list[str] = []
    raw = list(_raw_trees(flags, warnings))
    trees: list[Block] = []
    for tree in raw:
        checked, old_keys = normalise(tree)
        trees.append(checked)
        warnings += old_keys
    return Sources(tuple(trees), tuple(warnings))


def _raw_trees(flags: Flags, warnings: list[str]) -> Iterator[Block]:
    if flags.dev:
        yield parse_hcl(DEV_TEXT, file="-dev")
    yield flags.lists
    yield from read_files(flags.paths, flags.config_format, warnings)
    yield flags.scalars
    for fragment in flags.fragments:
        yield parse_hcl(fragment, file="flag -hcl")


def read_files(paths: Sequence[str], config_format: str, warnings: list[str]) -> Iterator[Block]:
    """The trees of files and directories in the order given, before any check of keys."""
    for path in paths:
        for file in _files(Path(path)):
            syntax = config_format or _SUFFIXES.get(file.suffix, "")
            if syntax:
                yield _parse(_read(file), str(file), syntax)
            else:
                warnings.append(
                    f"skipping file {file}, extension must be .hcl or .json, "
                    "or config format must be set"
                )


def _files(path: Path) -> list[Path]:
    try:
        if path.is_dir():
            return sorted(file for file in path.iterdir() if not file.is_dir())
        if path.exists():
            return [path]
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    message = f"cannot open {path}: no such file or directory"
    raise ConfigError(message)


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise _unreadable(file, error) from error
    if len(content) > FILE_BYTES_MAX:
        message = f"file is larger than {FILE_BYTES_MAX} bytes"
        raise ConfigError(message, origin=Origin(str(file)))
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError("text is not UTF-8", origin=Origin(str(file), line)) from error


def _parse(text: str, file: str, syntax: str) -> Block:
    return parse_json(text, file=file) if syntax == "json" else parse_hcl(text, file=file)


def _unreadable(path: Path, error: Exception) -> ConfigError:
    return ConfigError(f"cannot read {path}: {error}")
