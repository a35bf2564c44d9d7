from typing import get_args

import msgspec
import pytest

from catalog.commands import (
    AnyCommand,
    CheckOperation,
    Deregister,
    KvOperation,
    NodeOperation,
    Operation,
    Register,
    ServiceOperation,
    SessionOperation,
    Transaction,
    decode,
    encode,
)
from catalog.rows.check import HealthCheck
from catalog.rows.node import Node
from catalog.rows.service import NodeService
from catalog.rows.session import Session


def tag(command: type) -> object:
    return command.__struct_config__.tag


def test_tags_on_the_wire_never_change() -> None:
    """Logs on disk carry them."""
    tags = {command.__name__: tag(command) for command in get_args(AnyCommand)}

    known = {
        "KvOperation": "kv",
        "Transaction": "txn",
        "Register": "register",
        "Deregister": "deregister",
        "SessionCreate": "session-create",
        "SessionDestroy": "session-destroy",
        "CoordinateUpdate": "coordinates",
        "QueryPut": "query-put",
        "QueryDelete": "query-delete",
        "ConfigEntryPut": "config-put",
        "ConfigEntryDelete": "config-delete",
        "IntentionChange": "intention",
        "AutopilotPut": "autopilot-put",
        "TombstonesReap": "tombstones-reap",
    }
    assert known == {name: tags[name] for name in known}
    assert len(tags) == len(set(tags.values()))


def test_tags_within_a_transaction_never_change() -> None:
    tags = [tag(operation) for operation in get_args(Operation)]

    assert tags == ["kv", "node", "service", "check", "session-operation"]


@pytest.mark.parametrize(
    "command",
    [
        KvOperation(verb="set", key="k", value=b"\x00\xff", flags=2**64 - 1),
        Register(
            node=Node(node="n", meta={"a": "b"}),
            service=NodeService(id="s", service="s", tags=("t",)),
            checks=(HealthCheck(check_id="c"),),
        ),
        Deregister(node="n"),
        Transaction(
            operations=(
                KvOperation(verb="get", key="k"),
                NodeOperation(verb="set", node=Node(node="n")),
                ServiceOperation(verb="cas", node="n", service=NodeService(id="s")),
                CheckOperation(verb="delete", check=HealthCheck(node="n")),
                SessionOperation(verb="delete", session=Session(id="s")),
            )
        ),
    ],
)
def test_decoded_command_equals_the_encoded(command: AnyCommand) -> None:
    assert command == decode(encode(command))


def test_defaults_cost_no_bytes() -> None:
    assert len(encode(KvOperation(verb="set", key="k"))) < len("type kv verb set key k") + 9


@pytest.mark.parametrize("content", [b"", b"\xc1", msgspec.msgpack.encode({"type": "unheard-of"})])
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(content)
