import pytest

from agent.config import ConfigError

DATA = ["-data-dir", "/nonexistent/x"]


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        ([], "data_dir cannot be empty"),
        (["-data-dir", "/dev/null"], 'data_dir "/dev/null" is not a directory'),
        ([*DATA, "-bootstrap"], "'bootstrap = true' requires 'server = true'"),
        ([*DATA, "-bootstrap-expect=3"], "'bootstrap_expect > 0' requires 'server = true'"),
        (["-dev", "-bootstrap-expect=3"], "'bootstrap_expect > 0' not allowed in dev mode"),
        ([*DATA, "-server", "-bootstrap", "-bootstrap-expect=3"], "are mutually exclusive"),
        (["-dev", "-segment", "x"], "segments are not supported"),
        (["-dev", "-dns-port", "8500"], "is used by ports.dns too"),
        (["-dev", "-server-port", "0"], "ports.server: must be a port"),
        (["-dev", "-hcl", "ports { sidecar_min_port = 22000 }"], "above ports.sidecar_max_port"),
        (["-dev", "-recursor", "0.0.0.0"], "DNS recursor address cannot be 0.0.0.0"),
        (["-dev", "-recursor", "host"], "recursors: must hold IP addresses"),
        (["-dev", "-alt-domain", "consul"], "alt_domain: must differ from domain"),
        ([*DATA, "-ui", "-ui-dir", "/x"], "ui_config.dir: excludes ui_config.enabled"),
        (["-dev", "-hcl", "verify_incoming = true"], "no CA certificate provided!"),
        (["-dev", "-hcl", "verify_outgoing = true"], "no CA certificate provided!"),
        (
            ["-dev", "-hcl", 'verify_incoming = true ca_file = "x"'],
            "VerifyIncoming requires either a Cert and Key pair",
        ),
        (["-dev", "-hcl", 'cert_file = "x"'], "cert_file and key_file must be set together"),
        (["-dev", "-hcl", "auto_encrypt { tls = true }"], "can only be used on a client"),
        ([*DATA, "-hcl", "auto_encrypt { allow_tls = true }"], "can only be used on a server"),
        (
            [*DATA, "-hcl", "connect { enable_mesh_gateway_wan_federation = true }"],
            "requires connect.enabled = true",
        ),
        (["-dev", "-primary-gateway", "x"], "primary_gateways: requires connect."),
        (["-dev", "-hcl", 'service { name = "a" } service { name = "a" }'], "duplicate definition"),
        (["-dev", "-hcl", 'config_entries { bootstrap { name = "x" } }'], "needs a kind"),
        (
            [
                "-dev",
                "-hcl",
                'config_entries { bootstrap { kind = "service-splitter" name = "x" } }',
            ],
            "entry 0 is invalid: no splits configured",
        ),
        (
            ["-dev", "-hcl", 'config_entries { bootstrap { kind = "mesh" nope = 1 } }'],
            'invalid config key "nope"',
        ),
        (["-dev", "-hcl", 'advertise_reconnect_timeout = "9h"'], "only be used on a client"),
        ([*DATA, "-read-replica"], "'read_replica = true' requires 'server = true'"),
    ],
)
def test_contradiction_stops_the_start(start, argv, reason):
    with pytest.raises(ConfigError) as caught:
        start(*argv)

    assert reason in str(caught.value)


def test_two_ids_of_one_name_are_no_duplicates(start):
    text = 'service { name = "a" ID = "1" } service { Name = "a" id = "2" } check { name = "a" }'

    config = start("-dev", "-hcl", text)

    assert (len(config.services), len(config.checks)) == (2, 1)


def test_addresses_of_recursors_may_have_ports(start):
    argv = ["-recursor", "8.8.8.8:53", "-recursor", "::1", "-recursor", "[::1]:53"]

    assert len(start("-dev", *argv).recursors) == 3


def test_even_number_of_servers_and_open_scripts_are_warned_of(start):
    config = start(*DATA, "-server", "-bootstrap-expect=4", "-enable-script-checks")

    assert len(config.warnings) == 2
