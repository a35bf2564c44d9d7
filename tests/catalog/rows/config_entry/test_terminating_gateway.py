import pytest


@pytest.mark.parametrize(
    ("services", "text"),
    [
        ([{"Name": "a", "CAFile": "/ca"}, {"Name": "*"}], ""),
        ([{}], "Service name cannot be blank."),
        (
            [{"Name": "a"}, {"Name": "a"}],
            'Service "a" was specified more than once within a namespace',
        ),
        (
            [{"Name": "a", "KeyFile": "k"}],
            'Service "a" must have a CertFile, CAFile, and KeyFile specified for TLS origination',
        ),
    ],
)
def test_services_of_a_gateway_are_whole_and_differ(refusal, services, text):
    assert text == refusal({"Kind": "terminating-gateway", "Services": services})
