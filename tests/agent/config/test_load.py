from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config import ConfigError, Interface, load, parse_flags, validate


def write(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


def test_co_01_missing_comma_stops_start_and_validate(tmp_path, start):
    text = '{"dns_config":{"service_ttl":{"*":"0s"} "node_ttl":"5s"}}'

    for name in ("a.hcl", "a.json"):
        path = write(tmp_path, name, text)
        with pytest.raises(ConfigError, match=rf"{name}:1: expected , or }} after .*service_ttl"):
            validate([path])
        with pytest.raises(ConfigError, match=f"{name}:1: "):
            start("-dev", "-config-file", path)


def test_co_01_unknown_key_stops_start_and_validate(tmp_path, start):
    path = write(tmp_path, "a.json", '{"datacentre":"x"}')

    with pytest.raises(ConfigError, match=r"a\.json:1: invalid config key datacentre"):
        validate([path])
    with pytest.raises(ConfigError, match="invalid config key datacentre"):
        start("-dev", "-config-file", path)


def test_co_01_directory_without_data_dir_is_not_valid(tmp_path):
    write(tmp_path, "a.hcl", 'datacenter = "x"')

    with pytest.raises(ConfigError, match="data_dir cannot be empty"):
        validate([str(tmp_path)])


def test_whole_file_is_valid_without_any_interface(tmp_path):
    path = write(tmp_path, "a.hcl", 'data_dir = "/nonexistent/x"\nui = true')

    assert len(validate([path])) == 1


def test_files_are_read_again_at_each_load(tmp_path, start):
    path = write(tmp_path, "a.hcl", 'node_meta { a = "1" }')
    argv = ["-dev", "-config-file", path]

    before = start(*argv)
    write(tmp_path, "a.hcl", 'node_meta { a = "2" }')

    assert (before.node_meta, start(*argv).node_meta) == ({"a": "1"}, {"a": "2"})


def test_definitions_keep_their_spelling_and_order(tmp_path, start):
    path = write(tmp_path, "a.hcl", 'services = [{ name = "a" }]\nservice { Name = "b" Port = 1 }')

    config = start("-dev", "-config-file", path)

    assert config.services == ({"name": "a"}, {"Name": "b", "Port": 1})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=60), suffix=st.sampled_from(["hcl", "json"]))
def test_any_file_loads_or_raises_config_error(tmp_path, content, suffix):
    path = tmp_path / f"f.{suffix}"
    path.write_bytes(content)
    flags = parse_flags(["-dev", "-config-file", str(path)])

    with suppress(ConfigError):
        load(flags, interfaces=(Interface("lo", "127.0.0.1"),), hostname="h")
