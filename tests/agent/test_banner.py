"""What a starting agent says of itself."""

from agent.banner import banner
from tests.agent.harness import make_config


def test_the_banner_names_the_node_and_its_doors():
    text = banner(make_config("-http-port=1234", "-dns-port=-1"))

    assert text.startswith("==> Starting proconsul agent...\n")
    assert "Node name: node-a\n" in text
    assert "Datacenter: dc1\n" in text
    assert "1.9.8" in text
    assert "127.0.0.1:1234" in text
    assert "DNS: off\n" in text
    assert text.endswith("==> Log data will now stream in as it occurs:\n\n")
