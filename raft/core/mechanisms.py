"""The mechanisms of one server, wired to each other and to their common state."""

from raft.core.changes import Changes
from raft.core.election import Election
from raft.core.follower import Follower
from raft.core.heartbeats import Heartbeats
from raft.core.peers import Peers
from raft.core.proposals import Proposals
from raft.core.reads import Reads
from raft.core.replication import Replication
from raft.core.roles import Roles
from raft.core.snapshot_receiving import SnapshotReceiver
from raft.core.snapshot_sending import SnapshotSender
from raft.core.state import State
from raft.core.transfer import Transfer
from raft.core.turn import Turn


class Mechanisms:
    """One of each; what belongs to leadership begins in this order and ends in reverse."""

    __slots__ = (
        "changes",
        "election",
        "follower",
        "heartbeats",
        "peers",
        "proposals",
        "reads",
        "receiver",
        "replication",
        "roles",
        "sender",
        "state",
        "transfer",
        "turn",
    )

    def __init__(self, state: State) -> None:
        self.state = state
        self.roles = Roles(state)
        self.peers = Peers(state)
        self.election = Election(state, self.roles)
        self.follower = Follower(state, self.roles)
        self.heartbeats = Heartbeats(state, self.roles, self.peers)
        self.reads = Reads(state, self.peers, self.heartbeats)
        self.transfer = Transfer(state, self.peers, self.heartbeats)
        self.sender = SnapshotSender(state)
        self.receiver = SnapshotReceiver(state, self.follower)
        self.replication = Replication(state, self.peers, self.sender)
        self.proposals = Proposals(state, self.transfer)
        self.changes = Changes(state, self.roles, self.peers, self.transfer)
        self.turn = Turn(state)
        self.roles.duties += [self.peers, self.heartbeats, self.transfer, self.reads]
