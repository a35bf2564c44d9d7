"""What must be true of one server after every input; for tests, and for the cautious."""

import math
from collections.abc import Mapping

from raft.core.progress import Mode, Progress
from raft.core.state import State


def check(state: State, progress: Mapping[str, Progress]) -> None:
    """Raises ``AssertionError`` naming what does not hold."""
    log, writes = state.log, state.writes
    assert state.applied_index <= state.applying_index <= state.commit_index, "applied > commit"
    assert state.commit_index <= log.last_index, "commit > last"
    assert log.base_index <= state.commit_index, "uncommitted entries were released"
    assert writes.end_index == log.last_index, "storage will not end where the log ends"
    assert writes.stable_index <= log.last_index, "stable > last"
    if state.restoring is None:
        durable_index = max(writes.stable_index, log.base_index)
        assert state.applying_index <= durable_index, "applied before it was durable"
        assert state.applying_index >= log.base_index, "entries to apply were released"
    assert log.last_term <= state.term, "an entry of a term to come"
    assert state.membership.index <= log.last_index, "a membership beyond the log"
    assert state.is_leader == (state.leader_id == state.server_id), "led by itself, and not"
    if state.has_committed_in_term:  # before, it does not know how much is committed
        uncommitted_count = state.membership.uncommitted_count(state.commit_index)
        assert uncommitted_count <= 1, "two changes at once"
    if not state.is_leader:
        assert not progress, "only a leader follows others"
    for peer_id, peer in progress.items():
        assert 0 <= peer.match_index < peer.next_index, f"{peer_id}: match >= next"
        assert peer.match_index <= log.last_index, f"{peer_id}: match > last"
        assert peer.next_index <= log.last_index + 1, f"{peer_id}: next > last + 1"
        assert len(peer.in_flight) <= state.settings.window_count_max, f"{peer_id}: window"
        assert (peer.mode is Mode.SNAPSHOT) == (peer.sending is not None), f"{peer_id}: sending"
        assert peer.mode is Mode.REPLICATE or peer.notice_at == math.inf, f"{peer_id}: notice"
