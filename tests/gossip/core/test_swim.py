from gossip.core.effects import AnswerStream, EventReceived, Warn
from gossip.core.inputs import StreamRequested
from gossip.core.types import Ack, ClusterState, ErrorReply, UserEvent, UserMessage
from tests.gossip.core.solo import Solo, only


def test_user_message_over_a_stream_is_delivered_without_an_answer():
    one = Solo()
    event = UserEvent(1, "deploy", b"", coalesce=False)

    effects = one.step(StreamRequested(4, UserMessage(event)))

    assert [EventReceived(event)] == only(effects, EventReceived)
    assert [AnswerStream(4, None)] == only(effects, AnswerStream)


def test_stream_that_starts_with_an_answer_is_closed():
    one = Solo()

    for message in (Ack(1), ErrorReply("no")):
        effects = one.step(StreamRequested(4, message))
        assert [AnswerStream(4, None)] == only(effects, AnswerStream)
        assert ["stream that starts with an answer"] == [w.what for w in only(effects, Warn)]


def test_push_pull_state_in_a_packet_is_dropped():
    effects = Solo().hear_cluster(ClusterState(1, {}, (), 1, (), 1))

    assert ["push/pull state outside of a push/pull"] == [w.what for w in only(effects, Warn)]
