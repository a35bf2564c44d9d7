"""Trouble that users of configuration files met in the field, with the outcome that is right."""

import json
import threading
from pathlib import Path

import pytest

from tests.system.agent_process import AgentProcess, AgentStarter

pytestmark = pytest.mark.compat


def write_service(folder: Path, name: str, **check: str) -> None:
    service = {"name": name, "port": 1} | ({"check": check} if check else {})
    (folder / f"{name}.json").write_text(json.dumps({"service": service}))


def services(agent: AgentProcess) -> list[str]:
    return sorted(agent.get("/v1/agent/services").json)


def validate(agent: AgentProcess, path: Path) -> tuple[int, str]:
    """Exit status and everything printed."""
    done = agent.run("validate", str(path))
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("slip.hcl", 'data_dir = "{dir}"\ndns_config {{ service_ttl {{ "*" = "0s" }} node_ttl }}'),
        (
            "slip.json",
            '{{"data_dir":"{dir}","dns_config":{{"service_ttl":{{"*":"0s"}} "node_ttl":"5s"}}}}',
        ),
        (
            "comma.hcl",
            '{{"data_dir":"{dir}","dns_config":{{"service_ttl":{{"*":"0s"}} "node_ttl":"5s"}}}}',
        ),
    ],
)
def test_syntax_slip_is_refused_with_its_file(
    agent: AgentProcess, tmp_path: Path, name: str, text: str
) -> None:
    """1.9.8 drops the key after a missing comma in HCL. Source: hashicorp/consul#6209, #6041."""
    path = tmp_path / name
    path.write_text(text.format(dir=tmp_path / "state"))

    status, printed = validate(agent, path)

    assert status == 1
    assert name in printed
    assert "Traceback" not in printed


def test_unknown_key_is_refused_by_name(agent: AgentProcess, tmp_path: Path) -> None:
    """Source: hashicorp/consul#2783, #2348."""
    path = tmp_path / "unknown.json"
    path.write_text(json.dumps({"data_dir": str(tmp_path), "datacentre": "x"}))

    status, printed = validate(agent, path)

    assert status == 1
    assert "datacentre" in printed


def test_bad_file_stops_the_start(start_agent: AgentStarter, tmp_path: Path) -> None:
    """Source: hashicorp/consul#6209."""
    path = tmp_path / "unknown.json"
    path.write_text('{"datacentre":"x"}')

    with pytest.raises(RuntimeError, match="ended with status 1") as refused:
        start_agent(f"-config-file={path}")

    assert "datacentre" in str(refused.value)
    assert "Traceback" not in str(refused.value)


def test_valid_directory_passes_and_data_dir_is_needed(agent: AgentProcess, tmp_path: Path) -> None:
    """Source: hashicorp/consul#3559."""
    (tmp_path / "a.json").write_text('{"datacenter":"dc1"}')
    missing = validate(agent, tmp_path)
    (tmp_path / "b.hcl").write_text(f'data_dir = "{tmp_path / "state"}"')
    complete = validate(agent, tmp_path)

    assert missing[0] == 1
    assert "data_dir" in missing[1]
    assert complete[0] == 0, complete[1]
    assert "Configuration is valid!" in complete[1]


def test_failed_reload_keeps_everything_running(start_agent: AgentStarter, tmp_path: Path) -> None:
    """1.9.8 loses services registered by API. Source: hashicorp/consul#2348, #3559."""
    folder = tmp_path / "conf"
    folder.mkdir()
    write_service(folder, "a")
    write_service(folder, "b")
    agent = start_agent(f"-config-dir={folder}")
    agent.put_ok("/v1/agent/service/register", {"Name": "api", "Port": 2})

    write_service(folder, "z", http="http://127.0.0.1:1/")
    failed = agent.put("/v1/agent/reload")

    assert failed.status >= 400
    assert "Interval" in failed.text
    assert services(agent) == ["a", "api", "b"]
    (folder / "z.json").unlink()
    write_service(folder, "c")
    assert agent.put("/v1/agent/reload").status == 200
    assert services(agent) == ["a", "api", "b", "c"]


def test_service_registered_by_api_survives_reloads(
    start_agent: AgentStarter, tmp_path: Path
) -> None:
    """Source: hashicorp/consul#2348."""
    folder = tmp_path / "conf"
    folder.mkdir()
    write_service(folder, "a")
    agent = start_agent(f"-config-dir={folder}")
    reloads: list[int] = []
    reloader = threading.Thread(
        target=lambda: reloads.extend(agent.put("/v1/agent/reload").status for _ in range(10))
    )
    reloader.start()
    for number in range(10):
        agent.put_ok("/v1/agent/service/register", {"Name": f"api{number}", "Port": 2})
    reloader.join()

    assert reloads == [200] * 10
    assert services(agent) == ["a", *(f"api{number}" for number in range(10))]
