"""The data directory: one agent, one id."""

import stat

import pytest

from agent.identity import DataDirectory, IdentityError

ID = "5b5ac5d1-0b56-4a39-9f9c-6bb2b9d5a4d1"


@pytest.fixture
def directory(tmp_path):
    directory = DataDirectory(tmp_path / "a" / "b")
    directory.open()
    yield directory
    directory.close()


def test_the_directory_is_made_for_its_owner_alone(directory):
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700


def test_a_second_agent_is_refused_and_told_why(directory):
    second = DataDirectory(directory.path)
    with pytest.raises(IdentityError, match="is used by another agent that is running"):
        second.open()

    directory.close()
    second.open()
    second.close()


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(IdentityError, match=r"data_dir .*/file/data: "):
        DataDirectory(tmp_path / "file" / "data").open()


def test_a_new_id_is_kept_for_later_starts(directory):
    first = directory.node_id("")

    assert directory.node_id("") == first
    assert (directory.path / "node-id").read_text() == first
    assert stat.S_IMODE((directory.path / "node-id").stat().st_mode) == 0o600
    assert [path.name for path in directory.path.glob("*.tmp")] == []


def test_a_given_id_is_kept_in_lower_case_and_wins(directory):
    directory.node_id("")

    assert directory.node_id(ID.upper()) == ID
    assert directory.node_id("") == ID


@pytest.mark.parametrize("content", [b"not an id", b"\xff\xfe", b"5b5ac5d1-0b56-4a39"])
def test_a_corrupt_id_is_refused_and_kept(directory, content):
    file = directory.path / "node-id"
    file.write_bytes(content)

    with pytest.raises(IdentityError, match="holds no UUID; restore or remove it"):
        directory.node_id("")
    assert file.read_bytes() == content


def test_an_empty_id_file_is_filled(directory):
    (directory.path / "node-id").write_text("\n")

    assert len(directory.node_id("")) == 36
