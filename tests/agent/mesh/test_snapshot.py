"""The whole of a sidecar's configuration."""

from msgspec.structs import replace

from agent.mesh.snapshot import Subject, build, roots_pem, seconds_of
from agent.mesh.watch_questions import Central, Leaf, Revoked, Roots
from catalog.queries.service_config import ServiceConfig, subject_of
from catalog.queries.service_config import Subject as GovernedBy
from catalog.rows.config_entry import ProxyDefaults
from catalog.rows.connect import CARoots
from catalog.rows.service import AccessLogs
from proxy.api import AccessLog, Tracing
from tests.agent.mesh.world import PLACE, ROOT, World, sidecar, upstream, uri


def test_a_sidecar_has_its_public_listener_and_one_for_each_upstream() -> None:
    config = World().config(sidecar("web", upstream("db", 9191), upstream("cache", 9192)))

    names = ["public_listener", "db:127.0.0.1:9191", "cache:127.0.0.1:9192"]
    assert names == [listener.name for listener in config.listeners]
    assert {"local_app", "db.default.dc1", "cache.default.dc1"} == set(config.clusters)
    assert ("web-sidecar-proxy", "web", "connect-proxy") == (config.id, config.service, config.kind)


def test_a_sidecar_shows_the_leaf_of_its_service() -> None:
    config = World().config(sidecar())

    identity = config.identities["web"]
    assert (uri("web"), "01", "KEY-OF-web\n") == (
        identity.uri,
        identity.serial,
        identity.private_key_pem,
    )
    assert 1_767_484_800.0 == identity.expires_at_s


def test_nothing_is_told_without_roots_or_leaf() -> None:
    assert World().lacks(Roots).build(sidecar()) is None
    assert World().lacks(Leaf).build(sidecar()) is None


def test_nothing_is_told_before_there_is_an_active_root() -> None:
    none = CARoots(active_root_id="", trust_domain="", roots=())

    assert World().knows(Roots(), none).build(sidecar()) is None


def test_gaps_of_the_registration_are_filled_from_config_entries() -> None:
    subject = subject_of(sidecar())
    assert subject is not None
    world = World().knows(Central(subject), ServiceConfig(proxy_config={"protocol": "http"}))

    assert "http" == world.config(sidecar()).listeners[0].chains[0].protocol
    alone = replace(PLACE, central=False)
    assert "tcp" == world.config(sidecar(), alone).listeners[0].chains[0].protocol


def test_a_proxy_that_names_no_instance_speaks_as_its_service_does() -> None:
    alone = sidecar()
    alone = replace(alone, proxy=replace(alone.proxy, destination_service_id=""))
    http = ServiceConfig(proxy_config={"protocol": "http"})

    config = World().knows(Central(GovernedBy("web")), http).config(alone)

    assert "http" == config.listeners[0].chains[0].protocol


def test_nothing_is_told_before_the_gaps_are_filled() -> None:
    assert World().lacks(Central).build(sidecar()) is None


def test_an_unknown_upstream_does_not_hold_up_the_rest() -> None:
    world = World()
    answers = world.answers()
    registration = sidecar("web", upstream("db"), upstream(""))  # a chain of nothing has no answer

    config = build(Subject(registered=registration), PLACE, answers)

    assert config is not None
    names = ["public_listener", "db:127.0.0.1:9191"]
    assert names == [listener.name for listener in config.listeners]
    assert 1 == len(answers.missing)


def test_only_what_the_proxy_needs_is_asked() -> None:
    world = World().has("other")
    answers = world.answers()

    build(Subject(registered=sidecar("web", upstream("db"))), PLACE, answers)

    assert not any("other" in str(question) for question in answers.asked)


def test_all_roots_are_believed_the_active_one_first() -> None:
    older = replace(ROOT, id="00", root_cert="OLDER\n", active=False)
    roots = CARoots(active_root_id="aa", trust_domain="td.consul", roots=(older, ROOT))

    assert ("ROOT-PEM\n", "OLDER\n") == roots_pem(roots)


def test_revoked_serials_are_told() -> None:
    config = World().knows(Revoked(), ("0a:1b",)).config(sidecar())

    assert ("0a:1b",) == config.revoked


def test_access_logs_are_those_of_all_proxies_unless_the_registration_has_its_own() -> None:
    shared = ProxyDefaults(access_logs=AccessLogs(enabled=True, type="file", path="/tmp/x"))
    own = AccessLogs(enabled=True, json_format='{"a":"%START_TIME%"}')

    assert AccessLog(kind="file", path="/tmp/x") == World(shared).config(sidecar()).access_log
    assert (
        AccessLog(json_format='{"a":"%START_TIME%"}')
        == World(shared).config(sidecar(access_logs=own)).access_log
    )
    assert World().config(sidecar()).access_log is None


def test_tracing_is_on_where_a_collector_is_named() -> None:
    config = World().config(
        sidecar(config={"otlp_url": "http://127.0.0.1:4318", "trace_sample_percent": 5})
    )

    assert Tracing(otlp_url="http://127.0.0.1:4318", sample_percent=5.0) == config.tracing


def test_a_time_that_cannot_be_read_is_zero() -> None:
    assert 0.0 == seconds_of("soon")
