from agent.config.tree import Block, ConfigError, Origin


def test_error_names_origin_and_path():
    error = ConfigError("must be a port", path="ports.http", origin=Origin("a.hcl", 3))

    assert str(error) == "a.hcl:3: ports.http: must be a port"


def test_origin_of_falls_back_to_the_nearest_key_above():
    ports = Block()
    ports.put("http", 1, None)
    block = Block()
    block.put("ports", ports, Origin("a.hcl", 2))

    assert Origin("a.hcl", 2) == block.origin_of("ports.http")
    assert block.origin_of("datacenter") is None
