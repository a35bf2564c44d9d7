"""Definitions as written in configuration files, and their checks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.checks.definition import CheckType
from agent.local.definitions import (
    CheckDefinition,
    ServiceDefinition,
    check_from_tree,
    service_from_tree,
)
from agent.local.errors import BadDefinition
from catalog.duration import SECOND


def test_configuration_files_use_snake_case_throughout():
    definition = service_from_tree(
        {
            "name": "web",
            "port": 80,
            "enable_tag_override": True,
            "check": {"check_id": "c", "args": ["true"], "interval": "10s"},
            "connect": {
                "sidecar_service": {
                    "proxy": {"upstreams": [{"destination_name": "db", "local_bind_port": 1}]}
                }
            },
        }
    )

    assert definition.check == CheckDefinition(
        check_id="c", script_args=("true",), interval=10 * SECOND
    )
    assert definition.connect is not None
    assert definition.connect.sidecar_service is not None
    proxy = definition.connect.sidecar_service.proxy
    assert proxy is not None
    assert proxy.upstreams is not None
    assert (proxy.upstreams[0].destination_name, proxy.upstreams[0].local_bind_port) == ("db", 1)


def test_a_fault_of_a_file_names_the_registration_and_the_key():
    with pytest.raises(BadDefinition, match="service 'web': unknown field \"prot\""):
        service_from_tree({"name": "web", "prot": 80})
    with pytest.raises(BadDefinition, match="check 'c': time: invalid duration"):
        check_from_tree({"name": "c", "ttl": "soon"})


def test_an_empty_check_is_none_and_a_single_one_comes_last():
    first, last = CheckDefinition(check_id="a", ttl=1), CheckDefinition(check_id="b", ttl=1)

    assert ServiceDefinition(name="n", check=CheckDefinition()).check_types == ()
    assert [
        check.check_id
        for check in ServiceDefinition(name="n", check=last, checks=(first,)).check_types
    ] == ["a", "b"]


@given(
    st.builds(
        CheckType,
        check_id=st.text(max_size=4),
        name=st.text(max_size=4),
        script_args=st.lists(st.text(max_size=3), max_size=2).map(tuple),
        header=st.dictionaries(st.text(max_size=2), st.tuples(st.text(max_size=2)), max_size=1),
        interval_ns=st.integers(0, 2**40),
        ttl_ns=st.integers(0, 2**40),
        h2ping_use_tls=st.booleans(),
    )
)
def test_a_check_that_runs_can_be_written_as_a_definition(check):
    assert check == CheckDefinition.of(check).check_type()


def test_proxy_of_a_file_may_use_sockets_and_capture_traffic():
    proxy = {
        "local_service_socket_path": "/run/web.sock",
        "mode": "transparent",
        "transparent_proxy": {"outbound_listener_port": 15001},
        "access_logs": {"enabled": True, "json_format": "{}"},
        "envoy_extensions": [{"name": "builtin/lua"}],
        "upstreams": [
            {"destination_name": "db", "local_bind_socket_path": "/s", "destination_peer": "west"}
        ],
    }

    read = service_from_tree({"name": "web", "proxy": proxy}).proxy

    assert read is not None
    assert read.transparent_proxy is not None
    assert read.access_logs is not None
    assert read.upstreams is not None
    assert (15001, "{}") == (
        read.transparent_proxy.outbound_listener_port,
        read.access_logs.json_format,
    )
    assert ("/s", "west") == (
        read.upstreams[0].local_bind_socket_path,
        read.upstreams[0].destination_peer,
    )
