"""A Vault for tests: the endpoints that the provider uses, with real keys and certificates.

It answers as Vault does: 404 with "no handler for route" below a path that is not mounted, 204 for
an engine without a certificate, 403 for a wrong token, {"errors": [...]} for what it refuses.
Source: Vault HTTP API; the rules on lives and names are those of its PKI engine.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.connect.keys import KeyKind, PrivateKey, generate

TOKEN = "s.t0p-secret"
ROLE_ID, SECRET_ID = "the-role", "the-secret"


class Refused(Exception):
    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(status)
        self.status = status
        self.errors = errors


class Engine:
    """One mount of the PKI engine. ``pending`` is the key of a request that is not signed yet."""

    def __init__(self) -> None:
        self.key: PrivateKey | None = None
        self.certificate: x509.Certificate | None = None
        self.pending: PrivateKey | None = None
        self.issuers: dict[str, tuple[PrivateKey, x509.Certificate]] = {}
        self.roles: dict[str, dict[str, Any]] = {}

    def use(self, key: PrivateKey, certificate: x509.Certificate) -> None:
        self.key, self.certificate = key, certificate


class FakeVault:
    """``calls`` are the paths asked for; ``fail`` makes every call of a path end with a status."""

    def __init__(self, now_s: Callable[[], float], *, several_issuers: bool = True) -> None:
        self.now_s = now_s
        self.several_issuers = several_issuers
        self.engines: dict[str, Engine] = {}
        self.tokens: dict[str, dict[str, Any]] = {TOKEN: {"ttl": 0, "renewable": False}}
        self.calls: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.fail: dict[str, int] = {}
        self.renewals = 0
        self.logins = 0
        self.login_ttl = 3600
        self.address = ""
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._handle))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"http://{host}:{port}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        path = request.path.removeprefix("/v1/")
        self.calls.append((request.method, path))
        self.headers.append(dict(request.headers))
        body = await request.json() if request.can_read_body else {}
        try:
            answer = self._answer(request, path, body)
        except Refused as refused:
            return web.json_response({"errors": list(refused.errors)}, status=refused.status)
        if isinstance(answer, str):
            return web.Response(text=answer, status=200 if answer else 204)
        return web.json_response(answer) if answer is not None else web.Response(status=204)

    def _answer(self, request: web.BaseRequest, path: str, body: dict[str, Any]) -> Any:
        if path in self.fail:
            raise Refused(self.fail[path], "made to fail")
        if path == "auth/approle/login":
            return self._login(body)
        if path.endswith("/ca/pem"):
            return self._ca(path.removesuffix("/ca/pem"))
        token = request.headers.get("X-Vault-Token", "")
        if token not in self.tokens:
            raise Refused(403, "permission denied")
        if path == "auth/token/lookup-self":
            return {"data": self.tokens[token]}
        if path == "auth/token/renew-self":
            self.renewals += 1
            return {"auth": {"client_token": token, "lease_duration": self.tokens[token]["ttl"]}}
        if path.startswith("sys/mounts/"):
            return self._mount(path.removeprefix("sys/mounts/"), body)
        name = max((each for each in self.engines if path.startswith(f"{each}/")), default="")
        if not name:
            raise Refused(404, f"no handler for route '{path}'")
        return self._pki(self.engines[name], path.removeprefix(f"{name}/"), body)

    def _login(self, body: dict[str, Any]) -> Any:
        if body != {"role_id": ROLE_ID, "secret_id": SECRET_ID}:
            raise Refused(400, "invalid role or secret ID")
        self.logins += 1
        token = f"s.login-{self.logins}"
        self.tokens[token] = {"ttl": self.login_ttl, "renewable": True}
        return {"auth": {"client_token": token, "lease_duration": self.login_ttl}}

    def _ca(self, name: str) -> str:
        if name not in self.engines:
            raise Refused(404, f"no handler for route '{name}/ca/pem'")
        certificate = self.engines[name].certificate
        return _pem(certificate) if certificate is not None else ""

    def _mount(self, name: str, body: dict[str, Any]) -> None:
        assert body["type"] == "pki"
        if name in self.engines:
            raise Refused(400, f"path is already in use at {name}/")
        self.engines[name] = Engine()

    def _pki(self, engine: Engine, action: str, body: dict[str, Any]) -> Any:
        match action.split("/"):
            case ["root", "generate", "internal"]:
                return self._generate_root(engine, body)
            case ["intermediate", "generate", "internal"]:
                engine.pending = _key(body)
                return {"data": {"csr": _request(engine.pending, body)}}
            case ["root", "sign-intermediate"]:
                return {"data": {"certificate": _pem(self._sign_intermediate(engine, body))}}
            case ["intermediate", "set-signed"]:
                return self._set_signed(engine, body)
            case ["config", "issuers"]:
                engine.use(*engine.issuers[body["default"]])
                return {"data": body}
            case ["roles", role]:
                engine.roles[role] = body
                return None
            case ["sign", role]:
                return {"data": {"certificate": _pem(self._sign_leaf(engine, role, body))}}
            case ["root", "sign-self-issued"]:
                return {"data": {"certificate": _pem(_sign_self_issued(engine, body))}}
        raise Refused(404, f"unsupported path {action}")

    def _generate_root(self, engine: Engine, body: dict[str, Any]) -> Any:
        if engine.certificate is not None:
            return None  # Vault warns and changes nothing
        key = _key(body)
        name = _name(body["common_name"])
        builder = self._builder(key.public_key(), name, name, _seconds(body["ttl"]))
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(body["uri_sans"])])
        builder = _as_authority(builder).add_extension(names, critical=False)
        engine.use(key, builder.sign(key, SHA256()))
        return {"data": {"certificate": _pem(engine.certificate)}}

    def _sign_intermediate(self, engine: Engine, body: dict[str, Any]) -> x509.Certificate:
        request = x509.load_pem_x509_csr(body["csr"].encode())
        issuer = _certificate(engine)
        life = self._within(issuer, _seconds(body["ttl"]))
        builder = self._builder(request.public_key(), request.subject, issuer.subject, life)
        builder = _with_issuer(_as_authority(builder), issuer)
        assert body["use_csr_values"]
        assert body["max_path_length"] == 0
        for extension in request.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        return builder.sign(engine.key, SHA256())

    def _set_signed(self, engine: Engine, body: dict[str, Any]) -> Any:
        certificate = x509.load_pem_x509_certificate(body["certificate"].encode())
        assert engine.pending is not None
        if certificate.public_key() != engine.pending.public_key():
            raise Refused(400, "the given certificate does not fit the key")
        name = f"issuer-{len(engine.issuers)}"
        engine.issuers[name] = (engine.pending, certificate)
        if engine.certificate is None or not self.several_issuers:
            engine.use(engine.pending, certificate)
        if not self.several_issuers:
            return None
        return {"data": {"imported_issuers": [name], "mapping": {name: "some-key"}}}

    def _sign_leaf(self, engine: Engine, role: str, body: dict[str, Any]) -> x509.Certificate:
        if role not in engine.roles:
            raise Refused(400, f"unknown role: {role}")
        request = x509.load_pem_x509_csr(body["csr"].encode())
        issuer = _certificate(engine)
        longest = _seconds(engine.roles[role]["max_ttl"])
        life = self._within(issuer, min(_seconds(body["ttl"]), longest))
        builder = self._builder(request.public_key(), request.subject, issuer.subject, life)
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
            if not uri.startswith("spiffe://"):
                raise Refused(400, f"URI Subject Alternative Name {uri} not allowed")
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        return _with_issuer(builder, issuer).sign(engine.key, SHA256())

    def _within(self, issuer: x509.Certificate, life: timedelta) -> timedelta:
        end = datetime.fromtimestamp(self.now_s(), UTC) + life
        if end > issuer.not_valid_after_utc:
            raise Refused(400, "cannot satisfy request, as TTL is beyond the expiration of the CA")
        return life

    def _builder(
        self, key: Any, subject: x509.Name, issuer: x509.Name, life: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.fromtimestamp(int(self.now_s()), UTC)
        return (
            x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
            .not_valid_before(now - timedelta(seconds=30))
            .not_valid_after(now + life)
            # SHA-1 of the key, unlike the builtin provider's.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )


def _sign_self_issued(engine: Engine, body: dict[str, Any]) -> x509.Certificate:
    wanted = x509.load_pem_x509_certificate(body["certificate"].encode())
    if wanted.issuer != wanted.subject:
        raise Refused(400, "given certificate is not self-issued")
    issuer = _certificate(engine)
    builder = x509.CertificateBuilder(
        issuer.subject,
        wanted.subject,
        wanted.public_key(),
        wanted.serial_number,
        wanted.not_valid_before_utc,
        wanted.not_valid_after_utc,
    )
    for extension in wanted.extensions:
        if not isinstance(extension.value, x509.AuthorityKeyIdentifier):
            builder = builder.add_extension(extension.value, extension.critical)
    return _with_issuer(builder, issuer).sign(engine.key, SHA256())


def _certificate(engine: Engine) -> x509.Certificate:
    if engine.certificate is None:
        raise Refused(500, "no default issuer currently configured")
    return engine.certificate


def _with_issuer(
    builder: x509.CertificateBuilder, issuer: x509.Certificate
) -> x509.CertificateBuilder:
    said = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(said)
    return builder.add_extension(identifier, critical=False)


def _as_authority(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        encipher_only=False,
        decipher_only=False,
    )
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    return builder.add_extension(constraints, critical=True).add_extension(usage, critical=True)


def _request(key: PrivateKey, body: dict[str, Any]) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(body["common_name"]))
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(body["uri_sans"])])
    request = builder.add_extension(names, critical=False).sign(key, SHA256())
    return request.public_bytes(Encoding.PEM).decode().strip()


def _key(body: dict[str, Any]) -> PrivateKey:
    return generate(KeyKind(body["key_type"], body["key_bits"]))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate | None) -> str:
    assert certificate is not None
    return certificate.public_bytes(Encoding.PEM).decode().strip()


def _seconds(text: str) -> timedelta:
    assert text.endswith("s"), text
    return timedelta(seconds=int(text[:-1]))
