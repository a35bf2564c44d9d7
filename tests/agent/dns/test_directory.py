"""What the front door makes of each way in which the catalog fails."""

from typing import Any

import dns.rcode
import pytest

QUESTIONS = [
    ("web.service{dc}.consul", "A"),
    ("devn.node{dc}.consul", "A"),
    ("q1.query{dc}.consul", "A"),
    ("web.connect{dc}.consul", "SRV"),
]


@pytest.mark.parametrize(("name", "kind"), QUESTIONS)
async def test_no_leader_is_servfail_without_soa(client: Any, name: str, kind: str) -> None:
    client.directory.has_leader = False

    reply = await client.ask(name.format(dc=""), kind)

    assert reply.rcode() == dns.rcode.SERVFAIL
    assert reply.authority == []


@pytest.mark.parametrize(("name", "kind"), QUESTIONS)
async def test_unknown_datacenter_is_nxdomain_with_soa(client: Any, name: str, kind: str) -> None:
    reply = await client.ask(name.format(dc=".dc9"), kind)

    assert reply.rcode() == dns.rcode.NXDOMAIN
    assert len(reply.authority) == 1
