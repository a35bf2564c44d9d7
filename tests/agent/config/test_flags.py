from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.flags import OWN_FLAGS, help_text, parse_flags
from agent.config.tree import ConfigError

_SWITCHES = """
-bootstrap -dev -disable-host-node-id -disable-keyring-file -enable-local-script-checks
-enable-script-checks -log-json -rejoin -server -syslog -ui -read-replica -non-voting-server
"""
SWITCHES = _SWITCHES.split()
_NUMBERS = """
-bootstrap-expect -check_output_max_size -dns-port -grpc-port -grpc-tls-port -http-port
-https-port -log-rotate-bytes -log-rotate-max-files -protocol -raft-protocol -retry-max
-retry-max-wan -serf-lan-port -serf-wan-port -server-port
"""
NUMBERS = _NUMBERS.split()
_TEXTS = """
-advertise -advertise-wan -alt-domain -bind -client -data-dir -datacenter -default-query-time
-domain -encrypt -log-file -log-level -log-rotate-duration -max-query-time -node -node-id
-pid-file -retry-interval -retry-interval-wan -segment -serf-lan-bind -serf-wan-bind
-ui-content-path -ui-dir
"""
TEXTS = _TEXTS.split()
_LISTS = """
-allow-write-http-from -config-dir -config-file -hcl -join -join-wan -node-meta
-primary-gateway -recursor -retry-join -retry-join-wan -serf-lan-allowed-cidrs
-serf-wan-allowed-cidrs
"""
LISTS = _LISTS.split()


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("form", ["{}", "-{}", "{}=true", "{}=false"])
def test_switch_parses_alone_and_with_a_value(name, form):
    parse_flags([form.format(name), "-node", "x"])


@pytest.mark.parametrize(("name", "value"), [(n, "2") for n in NUMBERS] + [(n, "x") for n in TEXTS])
def test_one_and_two_dashes_and_both_value_forms_mean_the_same(name, value):
    forms = [[name, value], [f"{name}={value}"], [f"-{name}", value], [f"-{name}={value}"]]

    assert len({repr(parse_flags(form)) for form in forms}) == 1


@pytest.mark.parametrize("name", LISTS)
def test_list_flag_may_be_repeated(name):
    parse_flags([name, "a", f"{name}=b"])


def test_values_land_at_their_keys():
    flags = parse_flags(
        [
            *["-http-port", "1", "-node-meta", "a:b:c", "-node-meta", "d", "-retry-join", "x"],
            *["-retry-join", "y", "-ui=false", "-config-dir", "q", "-config-file", "p"],
            *["-hcl", "z", "-dev"],
        ]
    )

    assert flags.scalars == {
        "ports": {"http": 1},
        "node_meta": {"a": "b:c", "d": ""},
        "ui_config": {"enabled": False},
    }
    assert flags.lists == {"retry_join": ["x", "y"]}
    assert (flags.paths, flags.fragments, flags.dev) == (("q", "p"), ("z",), True)


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["-foo"], "flag provided but not defined: -foo"),
        (["--foo=1"], "flag provided but not defined: -foo"),
        (["-node"], "flag needs an argument: -node"),
        (["-server=maybe"], 'invalid value "maybe" for flag -server'),
        (["-http-port", "x"], 'invalid value "x" for flag -http-port: must be a whole number'),
        (["stray"], "unexpected argument stray"),
        (["--", "stray"], "unexpected argument stray"),
        (["-config-format", "xml"], "must be hcl or json"),
    ],
)
def test_wrong_flag_is_refused_by_name(argv, reason):
    with pytest.raises(ConfigError) as caught:
        parse_flags(argv)

    assert reason in str(caught.value)


@pytest.mark.parametrize("argv", [["-h"], ["--help"], ["-server", "-help"]])
def test_help_is_asked_for(argv):
    assert parse_flags(argv).help


def test_help_lists_each_flag():
    text = help_text()

    for name in {*SWITCHES, *NUMBERS, *TEXTS, *LISTS, *(flag.name for flag in OWN_FLAGS)}:
        assert f"  {name}\n" in text or f"  {name}=" in text or name == "-non-voting-server"


@given(
    st.lists(
        st.text(max_size=8) | st.sampled_from(["-dev", "-node", "--", "-node-meta=", "-http-port"])
    )
)
def test_any_command_line_parses_or_raises_config_error(argv):
    with suppress(ConfigError):
        parse_flags(argv)
