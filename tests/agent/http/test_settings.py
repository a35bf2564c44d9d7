"""The front door's settings."""

from agent.http.settings import HEAD_BYTES_MAX, HttpSettings


def test_the_defaults_are_consuls():
    settings = HttpSettings(datacenter="dc1", node_name="a")

    assert (settings.kv_value_bytes_max, settings.txn_body_bytes_max) == (524_288, 524_288)
    assert (settings.connections_per_client_max, settings.head_timeout_s) == (200, 10.0)
    assert settings.head_bytes_max == HEAD_BYTES_MAX
    assert settings.refuse_unprintable
