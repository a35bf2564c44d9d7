"""Config entries, before they are proposed."""

import pytest

from agent.rpc.endpoints.config_entry import (
    ConfigApply,
    ConfigDelete,
    ConfigGet,
    ConfigList,
    apply,
    delete,
    get,
    list_kind,
)
from catalog.errors import CatalogError
from catalog.filters import FilterError
from catalog.read import Read
from catalog.rows.config_entry import decode_entry
from catalog.tables import CONFIG_ENTRIES
from tests.agent.rpc.endpoints.server import make_server

WEB = decode_entry({"Kind": "service-defaults", "Name": "web", "Protocol": "HTTP"})


def test_an_entry_is_proposed_with_its_defaults():
    command = apply(make_server(), ConfigApply(entry=WEB, cas_index=1))

    assert (command.entry.name, command.entry.protocol, command.cas_index) == ("web", "http", 1)


def test_a_contradiction_is_refused():
    entry = decode_entry({"Kind": "service-splitter", "Name": "web", "Splits": [{"Weight": 50}]})

    with pytest.raises(CatalogError):
        apply(make_server(), ConfigApply(entry=entry))


def test_an_unknown_kind_cannot_be_deleted():
    with pytest.raises(CatalogError, match="nothing"):
        delete(make_server(), ConfigDelete(kind="nothing", name="web"))


def test_entries_are_found_by_name_without_regard_to_case_and_by_kind():
    server = make_server()
    server.store.put(CONFIG_ENTRIES, WEB)
    read = Read(server.store)

    assert get(read, ConfigGet(kind="service-defaults", name="WEB"), server) == WEB
    assert get(read, ConfigGet(kind="service-resolver", name="web"), server) is None
    assert list_kind(read, ConfigList(kind="service-defaults"), server) == [WEB]
    assert list_kind(read, ConfigList(), server) == [WEB]
    assert list_kind(read, ConfigList(kind="service-router"), server) == []


def test_entries_of_a_kind_can_be_filtered_by_their_fields():
    server = make_server()
    server.store.put(CONFIG_ENTRIES, WEB)
    read = Read(server.store)

    def found(filter_text):
        return list_kind(read, ConfigList(kind="service-defaults", filter=filter_text), server)

    assert [WEB] == found('MutualTLSMode == ""')
    assert [] == found('Name == "other"')
    with pytest.raises(FilterError):
        found('Nope == ""')
