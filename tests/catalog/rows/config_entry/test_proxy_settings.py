import pytest

from catalog.errors import Invalid
from catalog.rows.config_entry.proxy_settings import (
    validate_access_logs,
    validate_expose,
    validate_extensions,
    validate_modes,
)
from catalog.rows.service import AccessLogs, EnvoyExtension, Expose, ExposePath, TransparentProxy


def test_empty_settings_are_taken():
    validate_modes()
    validate_access_logs(None)
    validate_access_logs(AccessLogs(json_format='{"a": "%START_TIME%"}'))
    validate_extensions((EnvoyExtension(name="builtin/lua"),))


def test_mutual_tls_is_strict_or_permissive():
    with pytest.raises(Invalid, match=r"^MutualTLSMode must be one of strict, permissive, not"):
        validate_modes(mutual_tls="off")


def test_captured_traffic_needs_a_port():
    with pytest.raises(Invalid, match=r"^TransparentProxy\.OutboundListenerPort must be"):
        validate_modes(transparent=TransparentProxy(outbound_listener_port=-1))


@pytest.mark.parametrize(
    ("logs", "text"),
    [
        (AccessLogs(type="file"), "Path must be set when using file type access logs"),
        (AccessLogs(path="/x"), "Path is only valid for file type access logs"),
        (
            AccessLogs(json_format="{}", text_format="x"),
            "JSONFormat and TextFormat cannot both be set",
        ),
        (AccessLogs(json_format="{"), "JSONFormat is no JSON"),
    ],
)
def test_logs_that_contradict_themselves_are_refused(logs, text):
    with pytest.raises(Invalid, match=f"^AccessLogs: {text}"):
        validate_access_logs(logs)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (ExposePath(path="a"), "Expose.Paths[0].Path doesn't start with '/': \"a\""),
        (
            ExposePath(path="/a", protocol="grpc"),
            'Expose.Paths[0].Protocol must be http or http2, not "grpc"',
        ),
        (
            ExposePath(path="/a", listener_port=70000),
            "Expose.Paths[0].ListenerPort must be between 0 and 65535, not 70000",
        ),
    ],
)
def test_path_that_no_proxy_could_serve_is_refused(path, text):
    with pytest.raises(Invalid) as refused:
        validate_expose(Expose(paths=(path,)))

    assert text == str(refused.value)
