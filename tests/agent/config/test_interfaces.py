import ipaddress

from agent.config import interfaces


def test_loopback_is_found_and_all_addresses_are_valid():
    found = interfaces.read_interfaces()

    assert "127.0.0.1" in {item.address for item in found}
    assert all(ipaddress.ip_address(item.address) for item in found)


def test_host_without_ipv6_table_gives_ipv4_only(monkeypatch, tmp_path):
    monkeypatch.setattr(interfaces, "_IPV6_TABLE", tmp_path / "none")

    assert all(":" not in item.address for item in interfaces.read_interfaces())


def test_link_local_ipv6_is_left_out(monkeypatch, tmp_path):
    table = tmp_path / "if_inet6"
    table.write_text(
        "fe800000000000000000000000000001 02 40 20 80     eth0\n"
        "fd000000000000000000000000000002 02 40 00 80     eth0\n"
    )
    monkeypatch.setattr(interfaces, "_IPV6_TABLE", table)

    found = [item for item in interfaces.read_interfaces() if ":" in item.address]

    assert found == [("eth0", "fd00::2")]
