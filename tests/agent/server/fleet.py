"""Servers as the rules about them see them: gossip's members, and a log that knows members only."""

import math
from collections.abc import Sequence

from agent.rpc.endpoints.raft_stats import RaftStats
from agent.rpc.request import Request
from agent.server.server_calls import Unanswered
from agent.server.server_members import ServerMember
from gossip.core.types import Address, Member, Status, Versions
from raft.entries import NON_VOTER, VOTER, Configuration, Server
from raft.errors import MembershipBusy, RaftError, TransferFailed

VERSIONS = Versions(1, 5, 2, 2, 5, 4)
CLUSTER_ID = b"cluster"


def address(server_id: str) -> str:
    """Each letter has an address of its own."""
    return f"10.0.0.{ord(server_id[-1])}:8300"


def seen(server_id: str, status: Status = Status.ALIVE, **changed: object) -> ServerMember:
    """A server in gossip."""
    fields = {"id": server_id, "name": f"srv-{server_id}", "address": address(server_id)}
    return ServerMember(**(fields | {"status": status, "build": "1.9.8"} | changed))


def in_gossip(server_id: str, status: Status = Status.ALIVE, **tags: str) -> Member:
    """A server as gossip shows it."""
    told = {"role": "consul", "dc": "dc1", "id": server_id, "build": "1.9.8:rev", "port": "8300"}
    told |= {"vsn": "2", "raft_vsn": "3"}
    place = Address(bytes((10, 0, 0, ord(server_id[-1]))), 8301)
    return Member(f"srv-{server_id}", place, told | tags, status, VERSIONS)


def voter(server_id: str) -> Server:
    return Server(VOTER, server_id, address(server_id))


def non_voter(server_id: str) -> Server:
    return Server(NON_VOTER, server_id, address(server_id))


def members_of(voters: str, non_voters: str = "") -> Configuration:
    """A membership; each letter is a server."""
    servers = [*map(voter, voters), *map(non_voter, non_voters)]
    return Configuration(tuple(sorted(servers, key=lambda server: server.id)))


def in_short(servers: Sequence[Server]) -> str:
    """``"abc+de"``: the voters and then the others."""
    voters = "".join(sorted(s.id for s in servers if s.suffrage == VOTER))
    others = "".join(sorted(s.id for s in servers if s.suffrage != VOTER))
    return f"{voters}+{others}" if others else voters


class Log:
    """Consensus at once: what is proposed is in force."""

    def __init__(self, own_id: str = "a", configuration: Configuration | None = None) -> None:
        configuration = configuration or Configuration()
        self.own_id = own_id
        self.configuration = configuration
        self.configuration_index = 1 if configuration.servers else 0
        self.last_index = 100 if configuration.servers else 0
        self.last_term = 2
        self.cluster_id = CLUSTER_ID
        self.last_contact_s = math.inf
        self.leader_id = own_id if configuration.servers else ""
        self.refusals: list[RaftError] = []
        self.unfit_heirs = ""
        self.proposed: list[str] = []
        self.transferred: list[str | None] = []

    @property
    def is_leader(self) -> bool:
        return self.leader_id == self.own_id

    @property
    def leader_address(self) -> str:
        return address(self.leader_id) if self.leader_id else ""

    async def bootstrap(self, configuration: Configuration) -> bool:
        if self.last_index:
            return False
        self.configuration = configuration
        self.configuration_index = self.last_index = 1
        return True

    async def propose_configuration(
        self, servers: Sequence[Server], previous_index: int = 0
    ) -> int:
        if self.refusals:
            raise self.refusals.pop(0)
        if previous_index not in (0, self.configuration_index):
            raise MembershipBusy("the membership is not the one that was expected")
        self.configuration = Configuration(tuple(sorted(servers, key=lambda s: s.id)))
        self.last_index += 1
        self.configuration_index = self.last_index
        self.proposed.append(in_short(servers))
        return self.last_index

    async def transfer(self, target_id: str | None = None) -> str:
        self.transferred.append(target_id)
        if target_id is not None and target_id in self.unfit_heirs:
            raise TransferFailed("it did not win")
        self.leader_id = target_id or "b"
        return self.leader_id


class Others:
    """The other servers, as they answer questions; who has no answer is down."""

    def __init__(self, answers: dict[str, object]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def ask(self, server: object, _request: Request) -> object:
        server_id = server.id  # type: ignore[attr-defined]
        self.asked.append(server_id)
        answer = self.answers.get(server_id)
        if callable(answer):
            answer = answer()
        if answer is None:
            raise Unanswered("connection refused")
        return answer


def following(
    last_index: int = 100,
    *,
    term: int = 2,
    contact_ns: int = 50_000_000,
    cluster_id: bytes = CLUSTER_ID,
) -> RaftStats:
    """What a server that keeps up says of itself."""
    return RaftStats(
        last_contact_ns=contact_ns,
        last_term=term,
        last_index=last_index,
        cluster=cluster_id.hex(),
    )
