from hypothesis import given
from hypothesis import strategies as st

from agent.mesh.xds.names import CLUSTER, ENDPOINTS, IN_ORDER, LISTENER, SECRET
from agent.mesh.xds.resources import Resources
from agent.mesh.xds.session import Ask, Give, Session, version_of


def world(*, clusters: str = "ab", ports: int = 1, listener: str = "a") -> Resources:
    """Clusters of these names with endpoints, and a listener that goes to one."""
    return {
        CLUSTER: {name: {"name": name} for name in clusters},
        ENDPOINTS: {name: {"cluster_name": name, "port": ports} for name in clusters},
        SECRET: {"roots": {"name": "roots"}},
        LISTENER: {"public": {"name": "public", "to": listener}},
    }


class Envoy:
    """The other end: keeps what it is given, and asks for what that names, as Envoy does."""

    def __init__(self, *, is_delta: bool) -> None:
        self.is_delta = is_delta
        self.session = Session(is_delta=is_delta)
        self.known: Resources = {type_url: {} for type_url in IN_ORDER}
        self.log: list[str] = []
        self.named: set[str] = set()

    def start(self, resources: Resources) -> None:
        assert not self.session.replace(resources)
        self.take(self.session.ask(Ask(type_url=CLUSTER)))
        self.take(self.session.ask(Ask(type_url=SECRET, names=("roots",))))
        self.take(self.session.ask(Ask(type_url=LISTENER)))

    def change(self, resources: Resources) -> None:
        self.take(self.session.replace(resources))

    def take(self, given: list[Give]) -> None:
        for give in given:
            self.log.append(give.type_url.rpartition(".")[2])
            if self.is_delta or give.type_url not in {CLUSTER, LISTENER}:
                self.known[give.type_url].update(give.resources)
            else:
                self.known[give.type_url] = dict(give.resources)
            for name in give.removed:
                del self.known[give.type_url][name]
            for listener in self.known[LISTENER].values():
                assert listener["to"] in self.known[CLUSTER]
            self.take(self.session.ask(self.answer(give)))
            if give.type_url == CLUSTER:
                self.subscribe()

    def answer(self, give: Give) -> Ask:
        names = () if self.is_delta else self.names(give.type_url)
        return Ask(type_url=give.type_url, nonce=give.nonce, names=names)

    def names(self, type_url: str) -> tuple[str, ...]:
        match type_url:
            case ty if ty == ENDPOINTS:
                return tuple(sorted(self.named))
            case ty if ty == SECRET:
                return ("roots",)
            case _:
                return ()

    def subscribe(self) -> None:
        wanted = set(self.known[CLUSTER])
        if wanted == self.named:
            return
        gone = self.named - wanted
        new = wanted - self.named
        self.named = wanted
        names = tuple(sorted(new if self.is_delta else wanted))
        gone_names = tuple(sorted(gone)) if self.is_delta else ()
        self.take(self.session.ask(Ask(type_url=ENDPOINTS, names=names, gone=gone_names)))
        for name in gone:
            self.known[ENDPOINTS].pop(name, None)


@given(is_delta=st.booleans())
def test_a_proxy_is_given_everything_in_order(is_delta: bool) -> None:
    envoy = Envoy(is_delta=is_delta)

    envoy.start(world())

    assert world() == envoy.known
    assert ["Cluster", "ClusterLoadAssignment", "Secret", "Listener"] == envoy.log


@given(is_delta=st.booleans())
def test_changed_endpoints_are_all_that_is_sent(is_delta: bool) -> None:
    envoy = Envoy(is_delta=is_delta)
    envoy.start(world())
    envoy.log.clear()

    envoy.change(world(ports=2))

    assert (world(ports=2), ["ClusterLoadAssignment"]) == (envoy.known, envoy.log)


@given(is_delta=st.booleans())
def test_the_same_configuration_is_not_sent_again(is_delta: bool) -> None:
    envoy = Envoy(is_delta=is_delta)
    envoy.start(world())

    assert [] == envoy.session.replace(world())


@given(is_delta=st.booleans())
def test_a_cluster_goes_only_when_no_listener_leads_to_it(is_delta: bool) -> None:
    envoy = Envoy(is_delta=is_delta)
    envoy.start(world(clusters="ab", listener="a"))
    envoy.log.clear()

    envoy.change(world(clusters="bc", listener="c"))

    assert world(clusters="bc", listener="c") == envoy.known
    assert envoy.log.index("Listener") > envoy.log.index("Cluster")
    assert "Cluster" in envoy.log[envoy.log.index("Listener") :]


@given(is_delta=st.booleans())
def test_the_endpoints_of_a_changed_cluster_are_sent_again(is_delta: bool) -> None:
    envoy = Envoy(is_delta=is_delta)
    envoy.start(world())
    envoy.log.clear()
    changed = world()
    changed[CLUSTER]["a"] = {"name": "a", "connect_timeout": "1.000s"}

    envoy.change(changed)

    assert ["Cluster", "ClusterLoadAssignment"] == envoy.log


@given(
    is_delta=st.booleans(),
    steps=st.lists(
        st.tuples(st.sets(st.sampled_from("abcd"), min_size=1), st.integers(1, 2)), max_size=6
    ),
)
def test_a_proxy_ends_with_the_newest_configuration(
    is_delta: bool, steps: list[tuple[set[str], int]]
) -> None:
    envoy = Envoy(is_delta=is_delta)
    envoy.start(world())
    newest = world()
    for clusters, ports in steps:
        names = "".join(sorted(clusters))
        newest = world(clusters=names, ports=ports, listener=names[0])
        envoy.change(newest)

    assert newest == envoy.known


def test_what_a_proxy_knows_from_an_earlier_stream_is_not_sent_again() -> None:
    session = Session(is_delta=True)
    session.replace(world())
    known = {name: version_of(resource) for name, resource in world()[CLUSTER].items()}

    (give,) = session.ask(Ask(type_url=CLUSTER, known=known))

    assert ({}, ()) == (give.resources, give.removed)


@given(is_delta=st.booleans())
def test_nothing_is_said_before_there_is_a_configuration(is_delta: bool) -> None:
    session = Session(is_delta=is_delta)

    assert [] == session.ask(Ask(type_url=CLUSTER))
    assert ["a", "b"] == sorted(session.replace(world())[0].resources)


def test_what_a_proxy_knows_and_is_no_more_is_removed() -> None:
    session = Session(is_delta=True)
    session.replace(world(clusters="a"))

    (give,) = session.ask(Ask(type_url=CLUSTER, known={"gone": "1"}))

    assert (("gone",), ["a"]) == (give.removed, list(give.resources))


def test_a_refusal_is_kept_and_not_answered() -> None:
    session = Session(is_delta=False)
    session.replace(world())
    (give,) = session.ask(Ask(type_url=LISTENER))

    answered = session.ask(Ask(type_url=LISTENER, nonce=give.nonce, error="port in use"))

    assert ([], {LISTENER: "port in use"}) == (answered, session.refused)


def test_what_was_refused_can_be_sent_again() -> None:
    session = Session(is_delta=True)
    session.replace(world())
    session.ask(Ask(type_url=CLUSTER))
    (give,) = session.ask(Ask(type_url=LISTENER))
    session.ask(Ask(type_url=LISTENER, nonce=give.nonce, error="port in use"))

    (again,) = session.again()

    assert (give.resources, []) == (again.resources, session.again())


def test_an_answer_to_an_overtaken_nonce_means_nothing() -> None:
    session = Session(is_delta=False)
    session.replace(world())
    session.ask(Ask(type_url=LISTENER))

    assert [] == session.ask(Ask(type_url=LISTENER, nonce="of long ago", error="old"))
    assert {} == session.refused


def test_endpoints_that_are_not_there_yet_are_given_when_they_come() -> None:
    session = Session(is_delta=False)
    session.replace({})
    assert [] == session.ask(Ask(type_url=ENDPOINTS, names=("a",)))

    (give,) = session.replace(world())

    assert ["a"] == list(give.resources)
