"""The keyring file: a JSON list of base64 keys, primary first, for its owner's eyes only.

Serf and Consul write and read the same (``serf/local.keyring``). A ring on disk beats the key of
the configuration: it holds what the pool has rotated to since. Writes are atomic and durable, so
that a node never confirms a key that it would not know after a crash.
Limits: ``FILE_BYTES_MAX``; the number of keys is the wire layer's ``KEYS_MAX``.
"""

import base64
import binascii
import json
import os
from pathlib import Path
from typing import Final

from gossip.errors import KeyringFileError
from gossip.wire.errors import KeyringError
from gossip.wire.keyring import Keyring

FILE_BYTES_MAX: Final = 64 * 1024  # 256 keys of 32 bytes take some 13 KiB
MODE: Final = 0o600


def first_keys(path: Path | None, configured: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The keys to start with: those of the file, else the configured ones, which are saved.

    Raises KeyringFileError when the file is there but of no use, or cannot be written.
    """
    if path is None:
        return configured
    saved = load_keys(path)
    if saved is not None:
        return saved
    if configured:
        save_keys(path, configured)
    return configured


def load_keys(path: Path) -> tuple[bytes, ...] | None:
    """The keys in the file, primary first; None without a file. Raises KeyringFileError."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyringFileError(f"cannot read keyring {path}: {error.strerror}") from error
    if len(content) > FILE_BYTES_MAX:
        raise KeyringFileError(f"keyring {path} is larger than {FILE_BYTES_MAX} bytes")
    try:
        texts = json.loads(content)
        if not isinstance(texts, list) or not texts:
            raise KeyringFileError(f"keyring {path} must be a JSON list of at least one key")
        return Keyring(*[base64.b64decode(text, validate=True) for text in texts]).keys
    except (KeyringError, TypeError, binascii.Error) as error:
        message = f"keyring {path} must hold base64 of 16, 24 or 32 bytes each: {error}"
        raise KeyringFileError(message) from error
    except ValueError as error:
        raise KeyringFileError(f"keyring {path} is not JSON: {error}") from error


def save_keys(path: Path, keys: tuple[bytes, ...]) -> None:
    """Replace the file, atomically and durably. Raises KeyringFileError."""
    content = json.dumps([base64.b64encode(key).decode() for key in keys], indent=2).encode()
    new = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, MODE)  # a leftover of other rights keeps them otherwise
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        new.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise KeyringFileError(f"cannot write keyring {path}: {error.strerror}") from error


def sync_directory(directory: Path) -> None:
    """Wait until the names in ``directory`` are on disk. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
