"""An agent for tests: canned answers by method and path, and a small true KV with sessions."""

import base64
import json
import threading
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

BLOCK_S_MAX = 5.0  # a test waits for changes, never for this


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    index: int = 1


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: bytes
    headers: dict[str, str]
    raw_path: str


@dataclass
class Row:
    value: bytes
    flags: int
    session: str
    create: int
    modify: int
    lock: int = 0


@dataclass
class FakeAgent:
    """Answers as told by ``say``; /v1/kv and /v1/session work for real."""

    canned: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    index: int = 10
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                agent.serve(self)

            do_GET = do_PUT = do_POST = do_DELETE = handle_any

            def log_message(self, format: str, *args: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                return  # a killed client breaks its connection; that is no fault of the test

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def say(self, method: str, path: str, payload: Any = None, *, status: int = 200) -> None:
        """Answer this request so; the last of several answers is kept."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.canned.setdefault((method, path), []).append(Answer(status, body, self.index))

    def serve(self, http: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(http.path)
        body = http.rfile.read(int(http.headers.get("Content-Length") or 0))
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        path = unquote(parts.path, errors="surrogateescape")
        request = Request(http.command, path, query, body, dict(http.headers), http.path)
        self.requests.append(request)
        answer = self.answer(request)
        http.send_response(answer.status)
        http.send_header("Content-Length", str(len(answer.body)))
        http.send_header("X-Consul-Index", str(answer.index))
        http.end_headers()
        http.wfile.write(answer.body)

    def answer(self, request: Request) -> Answer:
        told = self.canned.get((request.method, request.path))
        if told:
            return told.pop(0) if len(told) > 1 else told[0]
        with self.changed:
            if request.path.startswith("/v1/kv/"):
                return self.kv(request, request.path.removeprefix("/v1/kv/"))
            if request.path.startswith("/v1/session/"):
                return self.session(request)
        return Answer(404, f"no answer for {request.method} {request.path}".encode())

    def touch(self) -> int:
        self.index += 1
        self.changed.notify_all()
        return self.index

    def session(self, request: Request) -> Answer:
        action, _, session_id = request.path.removeprefix("/v1/session/").partition("/")
        if action == "create":
            created = str(uuid.uuid4())
            self.sessions[created] = json.loads(request.body)
            self.changed.notify_all()
            return Answer(body=json.dumps({"ID": created}).encode())
        if action == "renew":
            known = session_id in self.sessions
            return Answer(200, b"[]") if known else Answer(404, b"Session id not found")
        self.end_session(session_id)
        return Answer(body=b"true")

    def end_session(self, session_id: str) -> None:
        behavior = self.sessions.pop(session_id, {}).get("Behavior")
        for key, row in list(self.rows.items()):
            if row.session == session_id:
                if behavior == "delete":
                    del self.rows[key]
                else:
                    row.session = ""
                    row.modify = self.index + 1
        self.touch()

    def kv(self, request: Request, key: str) -> Answer:
        match request.method:
            case "GET":
                return self.kv_get(request, key)
            case "PUT":
                return Answer(body=json.dumps(self.kv_put(request, key)).encode())
            case _:
                return Answer(body=json.dumps(self.kv_delete(request, key)).encode())

    def kv_get(self, request: Request, key: str) -> Answer:
        query = request.query
        asked = int(query.get("index", "0"))
        if asked:
            self.changed.wait_for(lambda: self.index > asked, BLOCK_S_MAX)
        whole = "recurse" in query or "keys" in query
        found = {
            name: row
            for name, row in sorted(self.rows.items())
            if (name.startswith(key) if whole else name == key)
        }
        if not found:
            return Answer(404, b"", self.index)
        shown: Any = [self.shown(name, row) for name, row in found.items()]
        if "keys" in query:
            shown = list(found)
        return Answer(200, json.dumps(shown).encode(), self.index)

    @staticmethod
    def shown(name: str, row: Row) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "LockIndex": row.lock,
            "Key": name,
            "Flags": row.flags,
            "Value": base64.b64encode(row.value).decode() or None,
            "CreateIndex": row.create,
            "ModifyIndex": row.modify,
        }
        return {**entry, "Session": row.session} if row.session else entry

    def kv_put(self, request: Request, key: str) -> bool:
        query, row = request.query, self.rows.get(key)
        session = row.session if row else ""
        lock = row.lock if row else 0
        if "cas" in query and int(query["cas"]) != (row.modify if row else 0):
            return False
        if "acquire" in query:
            if session not in {"", query["acquire"]}:
                return False
            assert query["acquire"] in self.sessions
            lock += session == ""
            session = query["acquire"]
        if "release" in query:
            if session != query["release"]:
                return False
            session = ""
        index = self.touch()
        create = row.create if row else index
        flags = int(query.get("flags", "0"))
        self.rows[key] = Row(request.body, flags, session, create, index, lock)
        return True

    def kv_delete(self, request: Request, key: str) -> bool:
        row = self.rows.get(key)
        if "cas" in request.query and row and int(request.query["cas"]) != row.modify:
            return False
        for name in list(self.rows):
            if name == key or ("recurse" in request.query and name.startswith(key)):
                del self.rows[name]
        self.touch()
        return True
