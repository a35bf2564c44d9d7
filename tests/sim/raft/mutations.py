"""Deliberate bugs, put into the core from outside: what finds none of them has not been looking.

Each replaces one method of the core by a version that breaks one rule, as a real implementation
once did or could. ``seeds_to_catch`` tells how many seeds it takes until a run goes wrong.
"""

from typing import Any, Final
from unittest.mock import patch

import msgspec

from raft.core import state as state_module
from raft.core.changes import Changes
from raft.core.election import Election
from raft.core.follower import Follower
from raft.core.heartbeats import Heartbeats
from raft.core.membership import Membership
from raft.core.reads import Reads
from raft.core.replication import Replication
from raft.core.snapshot_receiving import SnapshotReceiver
from raft.core.state import State
from raft.core.types import AppendAnswer, SnapshotAnswer, Vote, VoteAnswer
from raft.core.writes import Writes
from tests.sim.raft.bugs import (
    Patch,
    apply_before_durable,
    commit_by_counting,
    commit_own_last_index,
    confirm_by_past_round,
    count_all_members,
    count_newer_half,
    count_own_entry_at_once,
    count_votes_by_message,
    has_snapshot_by_length,
    hint_before_durable,
    hurried,
    keep_conflicting_tail,
    lease_without_end,
    no_wait_after_start,
    propose_in_transfer,
    reaches,
    read_what_is_here,
    restarted,
    second_change,
    stand_as_learner,
    tick_on_and_on,
    without_own_term,
)
from tests.sim.raft.network import Weather
from tests.sim.raft.profile import Profile, draw
from tests.sim.raft.run import run


class Mutation(msgspec.Struct, frozen=True):
    """A bug. ``focus`` and ``settings`` change every profile so that it matters often enough."""

    rule: str
    place: Patch
    focus: dict[str, Any] = {}
    settings: dict[str, Any] = {}

    def profile(self, seed: int) -> Profile:
        drawn = draw(seed)
        settings = msgspec.structs.replace(drawn.settings, **self.settings)
        return msgspec.structs.replace(drawn, settings=settings, **self.focus)


def seeds_to_catch(mutation: Mutation, seeds_max: int) -> tuple[int, str]:
    """How many seeds it took, and what was found; (0, "") when nothing was."""
    owner, name, replacement = mutation.place
    with patch.object(owner, name, replacement):
        for seed in range(seeds_max):
            report = run(seed, profile=mutation.profile(seed))
            if report.wrong:
                return seed + 1, report.wrong
    return 0, ""


LONG: Final = {"voter_count": 3, "spare_count": 0, "trouble_s": 15.0, "outage_s_max": 3.0}
# Nobody is behind, so whoever stands is a good candidate.
QUIET: Final = {"think_s": 5.0, "is_membership_changing": False}
# A leader that was cut off has taken much when it comes back.
CUTS: Final = {"voter_count": 3, "think_s": 0.01, "client_count": 4, "trouble_s": 10.0}
CHANGES: Final = {"is_membership_changing": True, "voter_count": 3, "spare_count": 2}

MUTATIONS: Final = (
    Mutation("vote before it is durable", hurried(VoteAnswer)),
    Mutation("vote request before own vote is durable", hurried(Vote)),
    Mutation(
        "vote forgotten over a restart",
        restarted(lambda kept: msgspec.structs.replace(kept, vote="")),
        {"faults": ("crash", "power_loss")},
    ),
    Mutation(
        "term forgotten over a restart",
        restarted(lambda kept: msgspec.structs.replace(kept, term=min(kept.term, 1))),
        {"faults": ("crash", "power_loss")},
    ),
    Mutation("acknowledgement before the sync", hurried(AppendAnswer)),
    Mutation(
        "snapshot acknowledged before its mark",
        hurried(SnapshotAnswer),
        {"faults": ("crash", "cut_pair", "snapshot"), **CUTS},
        {"trailing_count": 0},
    ),
    Mutation(
        "entry of an earlier term committed by counting",
        (Replication, "advance_commit", commit_by_counting),
    ),
    Mutation("leader counts its own entry before the sync", count_own_entry_at_once()),
    Mutation(
        "follower commits up to its own last index",
        commit_own_last_index(),
        {"faults": ("isolate_leader", "crash"), **CUTS},
    ),
    Mutation(
        "truncation skipped",
        (Follower, "_take", keep_conflicting_tail),
        {"faults": ("isolate_leader",), **CUTS},
    ),
    Mutation(
        "truncation forgotten by the membership",
        (Membership, "truncate", lambda _self, _index: None),
        {"faults": ("isolate_leader",), **CHANGES},
    ),
    Mutation(
        "overwritten entry taken for durable",
        (Writes, "_worth_at_most", lambda _self, _index: None),
        {"faults": ("isolate_leader",), **CUTS},
    ),
    Mutation(
        "votes counted by message",
        count_votes_by_message(),
        {"voter_count": 5, "weather": Weather(duplication=0.5, loss=0.2)},
    ),
    Mutation(
        "voters that hear a leader vote for another",
        (Election, "_has_leader", lambda self: self._state.is_leader),
        {"faults": ("cut_pair",), "fault_every_s": 3.0, **LONG, **QUIET},
    ),
    Mutation(
        "voter votes right after its start",
        no_wait_after_start(),
        {"faults": ("crash_follower", "cut_pair"), "fault_every_s": 0.3, **LONG, **QUIET},
        {"heartbeat_interval_s": 0.2, "lease_timeout_s": 0.45, "election_timeout_s": 0.5},
    ),
    Mutation(
        "lease without end",
        (Heartbeats, "lease_ends_at", lease_without_end),
        {"faults": ("pause",), **LONG},
    ),
    Mutation(
        "lease kept while handing over",
        (Heartbeats, "hand_over", lambda _self: None),
        {"voter_count": 5, "faults": ("transfer", "slow_link")},
    ),
    Mutation(
        "read index before an entry of the own term",
        without_own_term(Reads, "_await_round"),
        {"lease_share": 0.0, "faults": ("isolate_leader", "crash"), **CUTS},
    ),
    Mutation("read without asking the leader", (Reads, "read", read_what_is_here)),
    Mutation(
        "read confirmed by a past round",
        confirm_by_past_round(),
        {
            "lease_share": 0.0,
            "faults": ("isolate_leader", "pause"),
            "client_count": 4,
            "think_s": 0.05,
            "fault_every_s": 0.3,
            **LONG,
        },
    ),
    Mutation(
        "membership changed before an entry of the own term",
        without_own_term(Changes, "propose"),
        {"faults": ("isolate_leader", "crash"), "fault_every_s": 0.3, **CHANGES},
    ),
    Mutation("two changes of the membership at once", (Changes, "propose", second_change), CHANGES),
    Mutation(
        "learner counted in the quorum", (Membership, "_use_newest", count_all_members), CHANGES
    ),
    Mutation(
        "joint membership decides by its newer half",
        (Membership, "_use_newest", count_newer_half),
        CHANGES,
    ),
    Mutation(
        "learner stands for election",
        (State, "may_lead", property(stand_as_learner)),
        {"faults": ("isolate_leader", "cut_pair"), **CHANGES},
    ),
    Mutation("proposals taken in a transfer", propose_in_transfer(), {"faults": ("transfer",)}),
    Mutation(
        "timer not set anew while the disk hangs",
        (Election, "tick", tick_on_and_on),
        {"turn_s": 0.0, "faults": ("disk_hang", "disk_slow"), **LONG},
    ),
    Mutation("applied before it is durable", apply_before_durable()),
    Mutation(
        "snapshot skipped for a log of another term",
        (SnapshotReceiver, "_has_all", has_snapshot_by_length),
        {"voter_count": 3, "faults": ("isolate_leader", "snapshot")},
        {"trailing_count": 0, "log_bytes_max": 300},
    ),
    Mutation(
        "contradicted log kept at a restart",
        (state_module, "_leads_up_to", reaches),
        {
            "faults": ("isolate_leader", "snapshot", "crash_at_point"),
            "crash_points": ("snapshot durable, not reported",),
            "fault_every_s": 0.2,
            **CUTS,
        },
        {"trailing_count": 0, "log_bytes_max": 300},
    ),
    Mutation(
        "commit hint before its entry is durable",
        hint_before_durable(),
        {"faults": ("crash", "power_loss", "disk_slow")},
    ),
)
