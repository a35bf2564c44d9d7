import pytest

from catalog.errors import Invalid
from catalog.rows.config_entry.service_defaults import ServiceDefaults


def test_protocol_is_stored_in_lower_case():
    assert ServiceDefaults(name="x", protocol="HTTP").normalized().protocol == "http"


def test_name_is_required():
    with pytest.raises(Invalid, match=r"^serviceName is required$"):
        ServiceDefaults().validate()
