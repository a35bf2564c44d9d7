import base64
import json
import stat
from pathlib import Path

import pytest

from gossip.errors import KeyringFileError
from gossip.keyring_file import FILE_BYTES_MAX, first_keys, load_keys, save_keys

KEY = bytes(range(16))
OTHER = bytes(range(32))


def test_saved_keys_are_loaded_in_order(tmp_path: Path) -> None:
    path = tmp_path / "serf" / "local.keyring"

    save_keys(path, (OTHER, KEY))

    assert (OTHER, KEY) == load_keys(path)
    assert [base64.b64encode(key).decode() for key in (OTHER, KEY)] == json.loads(path.read_text())


def test_file_is_for_its_owner_alone_even_over_a_leftover(tmp_path: Path) -> None:
    path = tmp_path / "local.keyring"
    path.with_name("local.keyring.new").touch(0o666)

    save_keys(path, (KEY,))

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert [path] == list(tmp_path.iterdir())


def test_file_beats_the_configured_key(tmp_path: Path) -> None:
    path = tmp_path / "local.keyring"
    save_keys(path, (OTHER,))

    assert (OTHER,) == first_keys(path, (KEY,))


def test_configured_key_makes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "local.keyring"

    assert (KEY,) == first_keys(path, (KEY,))
    assert (KEY,) == load_keys(path)


def test_without_keys_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "local.keyring"

    assert () == first_keys(path, ())
    assert (KEY,) == first_keys(None, (KEY,))
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("\xff", "is not JSON"),
        ("{}", "must be a JSON list of at least one key"),
        ("[]", "must be a JSON list of at least one key"),
        ("[1]", "must hold base64"),
        ('["AAAA"]', "16, 24 or 32 bytes"),
        ('["not base64!"]', "must hold base64"),
        (" " * (FILE_BYTES_MAX + 1), "is larger than"),
    ],
)
def test_useless_file_is_named_with_its_fault(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "local.keyring"
    path.write_text(content, encoding="latin-1")

    with pytest.raises(KeyringFileError, match=reason) as raised:
        load_keys(path)

    assert str(path) in str(raised.value)


def test_unwritable_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(KeyringFileError, match="cannot write keyring"):
        save_keys(tmp_path / "file" / "local.keyring", (KEY,))
    with pytest.raises(KeyringFileError, match="cannot read keyring"):
        load_keys(tmp_path / "file" / "local.keyring")
