from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from agent.connect.vault_client import VaultClient, VaultError
from agent.connect.vault_settings import AppRole, VaultSettings
from tests.agent.connect.fake_vault import ROLE_ID, SECRET_ID, TOKEN, FakeVault

PATHS = {"root_pki_path": "r", "intermediate_pki_path": "i"}
ROLE = AppRole(mount_path="approle", role_id=ROLE_ID, secret_id=SECRET_ID)


class Clock:
    now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def vault(clock: Clock) -> AsyncIterator[FakeVault]:
    fake = FakeVault(clock)
    await fake.start()
    yield fake
    await fake.stop()


def client_of(vault, clock, **settings):
    return VaultClient(VaultSettings(address=vault.address, **PATHS, **settings), clock)


async def test_token_and_namespace_go_with_each_call(vault, clock):
    client = client_of(vault, clock, token=TOKEN, namespace="team")

    await client.call("GET", "auth/token/lookup-self")

    headers = vault.headers[0]
    assert (headers["X-Vault-Token"], headers["X-Vault-Namespace"]) == (TOKEN, "team")


async def test_a_role_logs_in_and_again_when_its_token_is_gone(vault, clock):
    client = client_of(vault, clock, app_role=ROLE)

    await client.call("GET", "auth/token/lookup-self")
    vault.tokens.clear()
    await client.call("GET", "auth/token/lookup-self")

    assert vault.logins == 2


async def test_wrong_secrets_are_refused_without_being_quoted(vault, clock):
    role = AppRole(mount_path="approle", role_id=ROLE_ID, secret_id="wr0ng")

    with pytest.raises(VaultError) as by_role:
        await client_of(vault, clock, app_role=role).call("GET", "auth/token/lookup-self")
    with pytest.raises(VaultError) as by_token:
        await client_of(vault, clock, token="s.wr0ng").call("GET", "auth/token/lookup-self")

    assert str(by_role.value).endswith("login: 400 invalid role or secret ID")
    assert by_token.value.status == 403
    assert "wr0ng" not in f"{by_role.value}{by_token.value}"


async def test_token_is_prolonged_at_half_of_its_time(vault, clock):
    vault.tokens[TOKEN] = {"ttl": 3600, "renewable": True}
    client = client_of(vault, clock, token=TOKEN)

    await client.keep_token()
    await client.keep_token()  # not due
    once = vault.renewals
    clock.now_s += 1801
    await client.keep_token()

    assert (once, vault.renewals) == (1, 2)


async def test_token_that_does_not_end_is_left_alone(vault, clock):
    client = client_of(vault, clock, token=TOKEN)

    await client.keep_token()
    await client.keep_token()

    assert vault.calls == [("GET", "auth/token/lookup-self")]


async def test_token_near_its_last_end_is_an_alarm_or_a_new_login(vault, clock):
    vault.tokens[TOKEN] = {"ttl": 60, "renewable": True}
    vault.login_ttl = 60

    with capture_logs() as logs:
        await client_of(vault, clock, token=TOKEN).keep_token()
    await client_of(vault, clock, app_role=ROLE).keep_token()

    assert [entry["event"] for entry in logs] == ["token of vault cannot be prolonged"]
    assert TOKEN not in str(logs)
    assert vault.logins == 2


async def test_nobody_at_the_address_is_an_error_with_the_address_of_the_call(vault, clock):
    client = client_of(vault, clock, token=TOKEN)
    await vault.stop()

    with pytest.raises(VaultError, match="Vault: GET x: ") as refusal:
        await client.call("GET", "x")
    await vault.start()

    assert refusal.value.status == 0


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"no json", 200, "the answer is no JSON"),
        (b"x" * (1024 * 1024 + 1), 200, "an answer of more than 1048576 bytes"),
        (b"gateway gone", 502, "Vault: GET x: 502 gateway gone"),
        (b"[]", 500, "Vault: GET x: 500 []"),
    ],
)
async def test_odd_answers_are_errors(vault, clock, body, status, text):
    async def answer(_request):
        return web.Response(body=body, status=status)

    vault._handle = answer
    await vault.stop()
    await vault.start()

    with pytest.raises(VaultError) as refusal:
        await client_of(vault, clock, token=TOKEN).call("GET", "x")

    assert text in str(refusal.value)


@pytest.mark.parametrize(
    "files",
    [{"ca_file": "/nowhere"}, {"cert_file": "/nowhere", "key_file": "/nowhere"}],
)
def test_files_that_cannot_be_used_are_named(clock, files):
    settings = VaultSettings(address="https://127.0.0.1", token="t", **PATHS, **files)

    with pytest.raises(VaultError, match="cannot use CAFile, CAPath, CertFile or KeyFile"):
        VaultClient(settings, clock)


def test_peer_of_vault_is_checked_unless_told_otherwise(clock):
    checked = VaultClient(VaultSettings(address="https://v", token="t", **PATHS), clock)
    settings = VaultSettings(address="https://v", token="t", tls_skip_verify=True, **PATHS)

    assert checked._tls.check_hostname
    assert not VaultClient(settings, clock)._tls.check_hostname
