import pytest

from catalog.rows.config_entry import decode_entry, entry_to_json, normalize
from catalog.rows.config_entry.mesh import Mesh, RequestNormalization


def test_name_is_always_mesh_and_is_not_shown():
    entry = normalize(decode_entry({"Kind": "mesh", "Name": "other"}))

    assert "mesh" == entry.name
    assert {
        "Kind": "mesh",
        "TransparentProxy": {"MeshDestinationsOnly": False},
        "CreateIndex": 0,
        "ModifyIndex": 0,
    } == entry_to_json(entry)


def test_paths_are_made_plain_unless_an_entry_says_otherwise():
    body = {
        "Kind": "mesh",
        "http": {"incoming": {"request_normalization": {"merge_slashes": True}}},
    }

    entry = decode_entry(body)

    assert isinstance(entry, Mesh)
    assert RequestNormalization() == Mesh().normalization
    assert entry.normalization.merge_slashes


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"TLS": {"Outgoing": {"TLSMinVersion": "SSLv3"}}},
            "error in outgoing TLS configuration: unknown TLS version SSLv3, must be one of "
            "TLS_AUTO, TLSv1_0, TLSv1_1, TLSv1_2, TLSv1_3",
        ),
        (
            {"HTTP": {"Incoming": {"RequestNormalization": {"HeadersWithUnderscoresAction": "x"}}}},
            "error in HTTP incoming request normalization configuration: "
            "HeadersWithUnderscoresAction must be one of ALLOW, REJECT_REQUEST, DROP_HEADER, not x",
        ),
    ],
)
def test_mesh_that_contradicts_itself_is_refused(refusal, fields, text):
    assert text == refusal({"Kind": "mesh", **fields})
