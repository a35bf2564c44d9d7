import pytest


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"Certificate": "/c.pem", "PrivateKey": "/k.pem"}, ""),
        ({"PrivateKey": "/k.pem"}, "certificate path is required"),
        ({"Certificate": "/c.pem"}, "private key path is required"),
    ],
)
def test_certificate_names_both_of_its_files(refusal, fields, text):
    assert text == refusal({"Kind": "file-system-certificate", **fields})
