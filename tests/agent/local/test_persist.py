"""Files of registrations."""

import json
import stat
from hashlib import sha256

import pytest

from agent.checks.ttl import TtlState
from agent.local.persist import FILE_BYTES_MAX, LocalFiles
from agent.local.registration import plan_service
from agent.local.state import LocalCheck, LocalService
from catalog.rows.service import NodeService
from tests.agent.local.fakes import service

FULL = (
    '{"ID":"w/1","Name":"web","Tags":["a"],"Address":"10.0.0.1","Port":80,"Meta":{"k":"v"},'
    '"Weights":{"Passing":3,"Warning":0},"EnableTagOverride":true,"Check":{"HTTP":"http://x",'
    '"Header":{"X":["y"]},"Interval":"10s","DeregisterCriticalServiceAfter":"1h"},'
    '"Connect":{"SidecarService":{"Port":9,"Proxy":{"Config":{"a":[1,null]},'
    '"Upstreams":[{"DestinationName":"db","LocalBindPort":1}]}}}}'
)


def entries() -> tuple[list[LocalService], list[LocalCheck]]:
    plans = plan_service(service(FULL), "n1", lambda _id: 1)
    services = [
        LocalService(service=plan.service, token="t", is_sidecar=plan.is_sidecar) for plan in plans
    ]
    checks = [
        LocalCheck(check=each.check, definition=each.definition, token="t")
        for plan in plans
        for each in plan.checks
    ]
    return services, checks


def test_registrations_are_read_as_they_were_written(tmp_path):
    files = LocalFiles(tmp_path)
    services, checks = entries()
    for entry in services:
        files.write_service(entry)
    for check in checks:
        files.write_check(check)

    assert sorted(services, key=str) == sorted(LocalFiles(tmp_path).services(), key=str)
    assert sorted(checks, key=str) == sorted(LocalFiles(tmp_path).checks(), key=str)


def test_files_are_named_by_hash_and_private(tmp_path):
    services, _ = entries()
    LocalFiles(tmp_path).write_service(services[0])

    path = tmp_path / "services" / sha256(b"w/1").hexdigest()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [path] == list((tmp_path / "services").iterdir())
    assert json.loads(path.read_text())["Service"]["Service"] == "web"


def test_files_of_consul_are_read(tmp_path):
    folder = tmp_path / "services"
    folder.mkdir()
    (folder / "x").write_text(
        '{"Token":"","Service":{"ID":"web","Service":"web","Tags":null,"Address":"","Meta":null,'
        '"Port":8,"Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,"Proxy":'
        '{"MeshGateway":{},"Expose":{}},"Connect":{},"CreateIndex":0,"ModifyIndex":0},'
        '"Source":"remote","LocallyRegisteredAsSidecar":false,"SomethingNew":1}'
    )

    assert [LocalService(service=NodeService(id="web", service="web", port=8))] == list(
        LocalFiles(tmp_path).services()
    )


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\x00", b"[]", b"{}", b'{"Service":3}', b"x" * (FILE_BYTES_MAX + 1)]
)
def test_an_unreadable_file_is_left_out(tmp_path, content):
    services, checks = entries()
    files = LocalFiles(tmp_path)
    files.write_service(services[0])
    files.write_check(checks[0])
    (tmp_path / "services" / "bad").write_bytes(content)
    (tmp_path / "services" / "half.tmp").write_bytes(b"{")
    (tmp_path / "checks" / "bad").write_bytes(content)

    assert [services[0]] == list(files.services())
    assert [checks[0]] == list(files.checks())


def test_ttl_states_hold_until_their_span_ends(tmp_path):
    files = LocalFiles(tmp_path)
    state = TtlState(check_id="c", status="passing", output="ok", expires=100.0)
    files.write_ttl(state)

    assert state == files.ttl_state("c", wall_s=99.0)
    assert files.ttl_state("c", wall_s=100.0) is None
    assert files.ttl_state("other", wall_s=0.0) is None
    files.remove_check("c")
    assert files.ttl_state("c", wall_s=0.0) is None


def test_without_a_data_directory_nothing_is_kept():
    files = LocalFiles(None)
    services, checks = entries()
    files.write_service(services[0])
    files.write_check(checks[0])
    files.write_ttl(TtlState(check_id="c", status="passing", output="", expires=1e9))
    files.remove_service("w/1")

    assert (
        list(files.services()),
        list(files.checks()),
        files.ttl_state("c", wall_s=0.0),
    ) == ([], [], None)
