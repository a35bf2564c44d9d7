"""Every message of gossip as a hypothesis strategy, within the limits of the types."""

from hypothesis import strategies as st

from gossip.core.types import (
    EVENT_RING_SLOTS,
    META_BYTES_MAX,
    Ack,
    Address,
    Alive,
    ClusterState,
    ConflictVote,
    Coordinate,
    Dead,
    ErrorReply,
    EventBody,
    EventSlot,
    IndirectPing,
    JoinIntent,
    KeyRequest,
    KeyResponse,
    LeaveIntent,
    Member,
    Nack,
    NodeFilter,
    NodeState,
    Ping,
    PushPull,
    Query,
    QueryFlag,
    QueryResponse,
    Relay,
    State,
    Status,
    Suspect,
    TagFilter,
    UnknownFilter,
    UserEvent,
    UserMessage,
    Versions,
)

uint8 = st.integers(0, 2**8 - 1)
uint16 = st.integers(0, 2**16 - 1)
uint32 = st.integers(0, 2**32 - 1)
uint64 = st.integers(0, 2**64 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
names = texts.filter(bool)
payloads = st.binary(max_size=300)
ips = st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)
addresses = st.builds(Address, ips, uint16)
sources = st.none() | st.builds(Address, ips, st.integers(1, 2**16 - 1))
metas = st.binary(max_size=META_BYTES_MAX)
versions = st.builds(Versions, uint8, uint8, uint8, uint8, uint8, uint8)
floats = st.floats(allow_nan=False)
coordinates = st.builds(Coordinate, st.lists(floats, max_size=8).map(tuple), floats, floats, floats)
flags = uint32.map(QueryFlag)

pings = st.builds(Ping, uint32, texts, sources, texts)
acks = st.builds(Ack, uint32, st.none() | coordinates)
bare = st.one_of(
    pings,
    acks,
    st.builds(IndirectPing, uint32, addresses, texts, st.booleans(), sources, texts),
    st.builds(Nack, uint32),
    st.builds(Suspect, uint32, names, texts),
    st.builds(Dead, uint32, names, texts),
    st.builds(Alive, uint32, names, addresses, metas, versions),
)

filters = st.one_of(
    st.builds(NodeFilter, st.lists(texts, max_size=20).map(tuple)),
    st.builds(TagFilter, texts, texts),
    st.builds(UnknownFilter, st.binary(max_size=40).map(lambda raw: b"\x02" + raw)),
)
responses = st.builds(QueryResponse, uint64, uint32, texts, flags, payloads)
cluster = st.one_of(
    st.builds(LeaveIntent, uint64, names, st.booleans()),
    st.builds(JoinIntent, uint64, names),
    st.builds(UserEvent, uint64, texts, payloads, st.booleans()),
    st.builds(
        Query,
        uint64,
        uint32,
        addresses,
        texts,
        st.lists(filters, max_size=3).map(tuple),
        flags,
        uint8,
        st.integers(0, 2**63 - 1),
        texts,
        payloads,
    ),
    responses,
    st.builds(Relay, addresses, texts, responses),
)
user_messages = st.builds(UserMessage, cluster)
packet_messages = bare | user_messages

slots = st.builds(
    EventSlot, uint64, st.lists(st.builds(EventBody, texts, payloads), max_size=3).map(tuple)
)
rings = st.lists(slots, max_size=5, unique_by=lambda slot: slot.time % EVENT_RING_SLOTS).map(
    lambda found: tuple(sorted(found, key=lambda slot: slot.time % EVENT_RING_SLOTS))
)
states = st.builds(
    ClusterState,
    uint64,
    st.dictionaries(names, uint64, max_size=5),
    st.lists(names, max_size=5).map(tuple),
    uint64,
    rings,
    uint64,
)
nodes = st.builds(NodeState, names, addresses, metas, uint32, st.sampled_from(State), versions)
stream_messages = st.one_of(
    pings,
    acks,
    user_messages,
    st.builds(ErrorReply, texts),
    st.builds(PushPull, st.lists(nodes, max_size=5).map(tuple), st.booleans(), st.none() | states),
)

tags = st.dictionaries(texts, texts, max_size=6)
members = st.builds(Member, names, addresses, tags, st.sampled_from(Status), versions)
inner_payloads = st.one_of(
    st.builds(ConflictVote, st.none() | members),
    st.builds(KeyRequest, st.binary(max_size=32)),
    st.builds(KeyResponse, st.booleans(), texts, st.lists(texts, max_size=4).map(tuple), texts),
)

keys = st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
