"""A real HTTP server on loopback that speaks as the model hubs do, and fails as networks do.

Two ports: one for the hub, one for the storage it redirects to, so that a test can see what is
sent to whom. `faults` are used up in order, one for each request for a file's bytes.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
PIECE_BYTES = 8192


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request. `status` answers instead; `cut_after` bytes are sent and
    the connection is closed; `extra` is sent after the file; `headers` replace the usual ones."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    extra: bytes = b""
    ignore_range: bool = False
    content: bytes | None = None


@dataclass
class Repository:
    """A repository: file name -> bytes. `gated` wants a token, `lying_sha256` is what it states."""

    files: dict[str, bytes]
    gated: bool = False
    is_listed: bool = False  # a gated one tells everybody what it holds, as the Hub's do
    license: str = "apache-2.0"
    lying_sha256: str = ""
    pointers: bool = True  # files are LFS pointers, as all large ones are


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    port: int
    method: str
    path: str
    headers: dict[str, str]


class HubServer:
    """Use in a `with` block. `url` is the hub's address, for HF_ENDPOINT and MODELSCOPE_DOMAIN."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.plain: dict[str, bytes] = {}  # /files/NAME
        self.etags: dict[str, str] = {}  # of plain files; "" sends none
        self.faults: list[Fault] = []
        self.api_faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.token = "hf_right"
        self._servers = [_Server(("127.0.0.1", 0), _Handler) for _ in range(2)]
        for server in self._servers:
            server.hub = self
            server.daemon_threads = True
        self.url, self.cdn = (f"http://127.0.0.1:{s.server_address[1]}" for s in self._servers)

    def __enter__(self) -> HubServer:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def downloads(self) -> list[Seen]:
        """Return the requests for bytes."""
        return [s for s in self.seen if s.path.startswith(("/cdn/", "/files/"))]


class _Server(ThreadingHTTPServer):
    hub: HubServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub = self.server.hub
        port = self.server.server_address[1]
        headers = {name.title(): value for name, value in self.headers.items()}
        hub.seen.append(Seen(port, self.command, self.path, headers))
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), parse_qs(parts.query)
        if path.startswith("/api/v1/models/"):
            self._modelscope(path.removeprefix("/api/v1/models/"), query)
        elif path.startswith("/api/models/"):
            self._api(path.removeprefix("/api/models/"))
        elif path.startswith("/cdn/"):
            _, _, repo_owner, repo_name, name = path.split("/", 4)
            data = hub.repositories[f"{repo_owner}/{repo_name}"].files[name]
            self._bytes(data, f'"{sha256(data)[:32]}"')
        elif path.startswith("/files/"):
            name = path.removeprefix("/files/")
            if name not in hub.plain:
                self._answer(404, b"no")
                return
            data = hub.plain[name]
            self._bytes(data, hub.etags.get(name, f'"{sha256(data)[:16]}"'))
        elif "/resolve/" in path:
            self._resolve(path)
        else:
            self._answer(404, b"no")

    def _fault(self, faults: list[Fault]) -> Fault:
        return faults.pop(0) if faults else Fault()

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _may_see(self, repository: Repository | None, is_listing: bool = False) -> bool:
        """Answer as the Hub does for what is not there, or not for everybody."""
        hub = self.server.hub
        given = self.headers.get("Authorization", "")
        if given and given != f"Bearer {hub.token}":
            self._answer(
                401, b"{}", {"X-Error-Message": "Invalid credentials in Authorization header"}
            )
            return False
        if repository is None:
            status = 404 if given else 401
            self._answer(status, b"{}", {"X-Error-Code": "RepoNotFound"})
            return False
        if repository.gated and not given and not (is_listing and repository.is_listed):
            self._answer(401, b"{}", {"X-Error-Code": "GatedRepo"})
            return False
        return True

    def _api(self, rest: str) -> None:
        hub = self.server.hub
        fault = self._fault(hub.api_faults)
        if fault.status:
            self._answer(fault.status, b"{}", fault.headers)
            return
        repo, _, revision = rest.partition("/revision/")
        repository = hub.repositories.get(repo)
        if not self._may_see(repository, is_listing=True):
            return
        assert repository
        if revision not in ("", "main", COMMIT):
            self._answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return
        siblings = []
        for name, data in repository.files.items():
            row: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": "b" * 40}
            if repository.pointers:
                digest = repository.lying_sha256 or sha256(data)
                row["lfs"] = {"size": len(data), "sha256": digest, "pointerSize": 135}
            siblings.append(row)
        body = {
            "id": repo,
            "modelId": repo,
            "sha": COMMIT,
            "siblings": siblings,
            "cardData": {"license": repository.license},
            "gated": "auto" if repository.gated else False,
        }
        self._answer(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _resolve(self, path: str) -> None:
        hub = self.server.hub
        repo, _, rest = path[1:].partition("/resolve/")
        _, _, name = rest.partition("/")
        repository = hub.repositories.get(repo)
        if not self._may_see(repository):
            return
        assert repository
        if name not in repository.files:
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        data = repository.files[name]
        headers = {"Location": f"{hub.cdn}/cdn/{repo}/{quote(name)}", "X-Repo-Commit": COMMIT}
        if repository.pointers:
            headers["X-Linked-ETag"] = f'"{repository.lying_sha256 or sha256(data)}"'
            headers["X-Linked-Size"] = str(len(data))
        self._answer(302, b"", headers)

    def _modelscope(self, rest: str, query: dict[str, list[str]]) -> None:
        hub = self.server.hub
        repo, _, what = rest.partition("/repo")
        repository = hub.repositories.get(repo)
        if repository is None:
            body = {"Code": 10010205001, "Success": False, "Message": "not found", "Data": None}
            self._answer(404, json.dumps(body).encode())
        elif what == "/files":
            files = [
                {"Name": name.rsplit("/", 1)[-1], "Path": name, "Size": len(data), "Type": "blob",
                 "Sha256": repository.lying_sha256 or sha256(data), "IsLFS": True}
                for name, data in repository.files.items()
            ]  # fmt: skip
            body = {"Code": 200, "Success": True, "Message": "", "Data": {"Files": files}}
            self._answer(200, json.dumps(body).encode())
        else:
            name = query["FilePath"][0]
            self._answer(302, b"", {"Location": f"{hub.cdn}/cdn/{repo}/{quote(name)}"})

    def _bytes(self, data: bytes, etag: str) -> None:
        """Send a file as storage does, with Range and If-Range, or as the next fault says."""
        fault = self._fault(self.server.hub.faults)
        if fault.status:
            self._answer(fault.status, b"busy", fault.headers)
            return
        data = data if fault.content is None else fault.content
        start, status = 0, 200
        asked = self.headers.get("Range", "")
        wanted = self.headers.get("If-Range", etag)
        if asked and wanted == etag and not fault.ignore_range:
            start, status = int(asked.removeprefix("bytes=").removesuffix("-")), 206
            if start >= len(data):
                self._answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
        body = data[start:] + fault.extra
        headers = {"Content-Length": str(len(body)), "Accept-Ranges": "bytes"}
        if etag:
            headers["ETag"] = etag
        if status == 206:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.send_response(status)
        for name, value in {**headers, **fault.headers}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        cut = len(body) if fault.cut_after is None else min(len(body), fault.cut_after)
        for at in range(0, cut, PIECE_BYTES):
            self.wfile.write(body[at : min(cut, at + PIECE_BYTES)])
        if cut < len(body) or fault.extra or fault.headers:
            self.close_connection = True
