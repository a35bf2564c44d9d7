"""What commands read: a value given as text, ``@file`` or ``-``, and HCL or JSON documents."""

import json
import sys
from pathlib import Path
from typing import Any

from agent.cli.failure import Failure


def text_or_source(argument: str) -> bytes:
    """Return the bytes that ``argument`` means: itself, ``@file``'s, or standard input's."""
    if argument == "-":
        return sys.stdin.buffer.read()
    if argument.startswith("@"):
        return read_file(argument[1:])
    return argument.encode("utf-8", "surrogateescape")


def file_or_stdin(name: str) -> bytes:
    """Return the bytes of a named file, or of standard input for ``-``."""
    return sys.stdin.buffer.read() if name == "-" else read_file(name)


def read_file(name: str) -> bytes:
    """Return a file's bytes. Raises Failure naming it."""
    try:
        return Path(name).read_bytes()
    except OSError as error:
        message = f"Error! Failed to read file: open {name}: {(error.strerror or '').lower()}"
        raise Failure(message) from error


def document_from(name: str) -> dict[str, Any]:
    """Return the document of a file, or of standard input for ``-``. Raises Failure naming it."""
    return document(file_or_stdin(name), "standard input" if name == "-" else name)


def document(raw: bytes, name: str) -> dict[str, Any]:
    """Return an HCL or JSON document as an object. Raises Failure naming ``name``."""
    try:
        text = raw.decode()
        parsed = json.loads(text) if text.lstrip()[:1] in {"{", "["} else _hcl(text)
    except ValueError as error:
        message = f"Failed to parse {name}: {error}"
        raise Failure(message) from error
    if not isinstance(parsed, dict):
        message = f"Failed to parse {name}: must be an object"
        raise Failure(message)
    return parsed


def _hcl(text: str) -> Any:
    import hcl

    return hcl.loads(text)
