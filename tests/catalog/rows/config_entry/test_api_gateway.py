import pytest

from catalog.rows.config_entry import decode_entry, entry_to_json, normalize


def gateway(*listeners):
    return {
        "Kind": "api-gateway",
        "Listeners": [{"Name": "l", "Port": 80, "Protocol": "http", **each} for each in listeners],
    }


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (gateway({}, {"Name": "m", "Hostname": "*.a"}), ""),
        (gateway({}, {}), 'found multiple listeners with the name "l"'),
        (
            gateway({}, {"Name": "m", "Protocol": "TCP"}),
            'listener "m": port 80 is shared by listeners of different protocols',
        ),
        (gateway({"Port": 0}), 'listener "l": port 0 not in the range 1-65535'),
        (
            gateway({"Protocol": "udp"}),
            'listener "l": unsupported listener protocol "udp", must be one of \'tcp\', or '
            "'http'",
        ),
        (
            gateway({"Hostname": "a.*"}),
            'listener "l": host "a.*" is not valid, a wildcard specifier is only allowed as the '
            "left-most label",
        ),
        (
            gateway({"TLS": {"Certificates": [{"Kind": "file", "Name": "c"}]}}),
            'listener "l": unsupported certificate kind: "file", must be '
            "'inline-certificate' or 'file-system-certificate'",
        ),
        (
            gateway({"TLS": {"Certificates": [{}]}}),
            'listener "l": certificate reference must have a name',
        ),
        (
            gateway({"Name": "L!"}),
            "listener \"L!\": the name must be lower case letters, digits, '-' and '.'",
        ),
    ],
)
def test_gateway_that_contradicts_itself_is_refused(refusal, body, text):
    assert text == refusal(body)


def test_status_is_read_past_and_certificates_get_their_kind():
    body = gateway({"TLS": {"Certificates": [{"Name": "c"}]}}) | {
        "Name": "gw",
        "Status": {"Conditions": [{"Type": "Accepted"}]},
    }

    shown = entry_to_json(normalize(decode_entry(body)))

    assert "Status" not in shown
    (certificate,) = shown["Listeners"][0]["TLS"]["Certificates"]
    assert {"Kind": "inline-certificate", "Name": "c"} == certificate
