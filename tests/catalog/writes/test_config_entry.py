from typing import Any

import pytest

from catalog.commands import ConfigEntryDelete, ConfigEntryPut
from catalog.errors import CatalogError
from catalog.rows.config_entry import ServiceDefaults, ServiceSplitter, decode_entry
from catalog.tables import CONFIG_ENTRIES
from tests.catalog.replica import Replica, contents

DEFAULTS = "service-defaults"


def put(replica: Replica, entry: Any, cas_index: int | None = None) -> Any:
    return replica.apply(ConfigEntryPut(entry=entry, cas_index=cas_index))


def delete(replica: Replica, kind: str, name: str, cas_index: int | None = None) -> Any:
    return replica.apply(ConfigEntryDelete(kind=kind, name=name, cas_index=cas_index))


def http(name: str = "web") -> ServiceDefaults:
    return ServiceDefaults(name=name, protocol="http")


def splitter(name: str = "web") -> Any:
    entry = decode_entry({"Kind": "service-splitter", "Name": name, "Splits": [{"Weight": 100}]})
    assert isinstance(entry, ServiceSplitter)
    return entry


def test_entry_is_stored_with_its_indexes(replica: Replica) -> None:
    assert put(replica, http()) is True
    assert put(replica, ServiceDefaults(name="web", protocol="http2")) is True

    stored = replica.store.get(CONFIG_ENTRIES, (DEFAULTS, "web"))
    assert stored is not None
    assert (stored.create_index, stored.modify_index) == (1, 2)
    assert replica.store.last_index("config-entries") == 2


def test_equal_entry_changes_nothing(replica: Replica) -> None:
    put(replica, http())
    before = contents(replica.store)

    assert put(replica, http()) is True

    assert before == contents(replica.store)


def test_entry_with_cas_is_stored_only_at_the_current_index(replica: Replica) -> None:
    assert put(replica, http(), cas_index=5) is False
    assert put(replica, http(), cas_index=0) is True
    assert put(replica, http(), cas_index=0) is False
    assert put(replica, http(), cas_index=2) is True


def test_entry_is_found_and_deleted_without_regard_to_case(replica: Replica) -> None:
    put(replica, http("Web"))

    assert delete(replica, DEFAULTS, "wEB") is True

    assert replica.store.all(CONFIG_ENTRIES) == []
    assert replica.store.last_index("config-entries") == 2


def test_deletion_of_an_absent_entry_is_no_change(replica: Replica) -> None:
    assert delete(replica, DEFAULTS, "none") is True
    assert delete(replica, DEFAULTS, "none", cas_index=1) is False

    assert replica.store.indexes == {}


def test_entry_is_deleted_with_cas_only_at_the_current_index(replica: Replica) -> None:
    put(replica, http())

    assert delete(replica, DEFAULTS, "web", cas_index=9) is False
    assert delete(replica, DEFAULTS, "web", cas_index=1) is True


@pytest.mark.parametrize("deletes", [False, True])
def test_write_that_breaks_a_chain_is_refused_and_undone(replica: Replica, deletes: bool) -> None:
    """A splitter needs a service that speaks HTTP."""
    if deletes:
        put(replica, http())
        assert put(replica, splitter()) is True
    before = contents(replica.store)

    result = delete(replica, DEFAULTS, "web") if deletes else put(replica, splitter())

    assert isinstance(result, CatalogError)
    assert before == contents(replica.store)


def test_provider_that_an_intention_names_is_not_deleted(replica: Replica) -> None:
    keys = {"Local": {"JWKS": "e30="}}
    provider = decode_entry({"Kind": "jwt-provider", "Name": "okta", "JSONWebKeySet": keys})
    intention = decode_entry(
        {
            "Kind": "service-intentions",
            "Name": "web",
            "JWT": {"Providers": [{"Name": "okta"}]},
            "Sources": [{"Name": "a", "Action": "allow"}],
        }
    )
    put(replica, provider)
    put(replica, intention)

    refused = delete(replica, "jwt-provider", "okta")

    assert isinstance(refused, CatalogError)
    assert replica.store.get(CONFIG_ENTRIES, ("jwt-provider", "okta")) is not None


def test_permissive_stays_after_the_mesh_forbids_it(replica: Replica) -> None:
    allowed = decode_entry({"Kind": "mesh", "AllowEnablingPermissiveMutualTLS": True})
    permissive = ServiceDefaults(name="web", mutual_tls_mode="permissive")

    assert isinstance(put(replica, permissive), CatalogError)
    put(replica, allowed)
    assert put(replica, permissive) is True
    delete(replica, "mesh", "mesh")
    assert put(replica, ServiceDefaults(name="web", mutual_tls_mode="permissive", mode="direct"))
