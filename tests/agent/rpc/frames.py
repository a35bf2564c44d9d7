"""Any frames, for properties."""

from hypothesis import strategies as st

from agent.rpc import wire

_text = st.text(max_size=20)
_id = st.integers(0, 2**63) | st.integers(0, 3)
_name = _text | st.sampled_from(["echo", "wait", "refuse"])
FRAMES = st.one_of(
    st.builds(
        wire.Hello,
        node=_text,
        node_id=_text,
        datacenter=_text,
        role=st.sampled_from(wire.Role),
        version=st.integers(0, 1000),
    ),
    st.builds(wire.Request, id=_id, name=_name, body=st.binary(max_size=50)),
    st.builds(wire.Reply, id=_id, body=st.binary(max_size=50)),
    st.builds(wire.Error, id=_id, kind=_text, text=_text, fields=st.binary(max_size=10)),
    st.builds(wire.Cancel, id=_id),
    st.builds(wire.Part, id=_id, piece=st.binary(max_size=50)),
    st.just(wire.Ping()),
    st.just(wire.Pong()),
)
