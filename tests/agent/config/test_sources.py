import pytest

from agent.config import sources
from agent.config.flags import parse_flags
from agent.config.merge import merge
from agent.config.root import Root
from agent.config.sources import read_sources
from agent.config.tree import ConfigError


def merged(*argv):
    return merge(read_sources(parse_flags(argv)).trees, Root)


def test_order_is_dev_lists_files_scalars_fragments(tmp_path):
    file = tmp_path / "a.hcl"
    file.write_text(
        'log_level = "ERR"\ndatacenter = "file"\nnode_name = "file"\nretry_join = ["file"]'
    )

    tree = merged(
        *["-retry-join", "flag", "-datacenter", "flag", "-node", "flag", "-dev"],
        *["-config-file", str(file), "-hcl", 'node_name = "hcl" retry_join = ["hcl"]'],
    )

    assert (tree["log_level"], tree["datacenter"], tree["node_name"]) == ("ERR", "flag", "hcl")
    assert tree["retry_join"] == ("flag", "file", "hcl")


def test_directory_gives_its_files_by_name_and_is_not_entered(tmp_path):
    (tmp_path / "b.json").write_text('{"node_name": "b"}')
    (tmp_path / "a.hcl").write_text('node_name = "a"')
    (tmp_path / "c.txt").write_text("nonsense")
    (tmp_path / "sub.hcl").mkdir()
    (tmp_path / "sub.hcl" / "d.hcl").write_text('node_name = "d"')

    found = read_sources(parse_flags(["-config-dir", str(tmp_path)]))

    assert merge(found.trees, Root)["node_name"] == "b"
    assert [
        f"skipping file {tmp_path}/c.txt, extension must be .hcl or .json, "
        "or config format must be set"
    ] == list(found.warnings)


def test_files_and_directories_share_one_order(tmp_path):
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.hcl").write_text('node_name = "dir"')
    (tmp_path / "z.hcl").write_text('node_name = "file"')

    paths = ["-config-file", str(tmp_path / "z.hcl"), "-config-dir", str(tmp_path / "dir")]

    assert merged(*paths)["node_name"] == "dir"
    assert merged(*paths[2:], *paths[:2])["node_name"] == "file"


def test_format_flag_reads_any_extension(tmp_path):
    (tmp_path / "a.conf").write_text('{"node_name": "x"}')

    path = str(tmp_path / "a.conf")

    assert merged("-config-file", path, "-config-format", "json")["node_name"] == "x"


def test_missing_and_unreadable_files_are_refused(tmp_path):
    (tmp_path / "a.hcl").write_bytes(b'\nnode_name = "\xff"')

    with pytest.raises(ConfigError, match="no such file or directory"):
        merged("-config-file", str(tmp_path / "none.hcl"))
    with pytest.raises(ConfigError, match=r"a\.hcl:2: text is not UTF-8"):
        merged("-config-file", str(tmp_path / "a.hcl"))
    with pytest.raises(ConfigError, match=r"(cannot read|cannot open)"):
        merged("-config-file", "a\0b")


def test_file_above_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "FILE_BYTES_MAX", 4)
    (tmp_path / "a.hcl").write_text("# 345")

    with pytest.raises(ConfigError, match="larger than 4 bytes"):
        merged("-config-file", str(tmp_path / "a.hcl"))
