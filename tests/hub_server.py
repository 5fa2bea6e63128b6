"""A Hugging Face Hub in memory, on the loopback: create, push, pull; models and data sets.

`LocalHub` speaks as much of the Hub's protocol as huggingface_hub, transformers and datasets use to
create a repository, commit to it (small files inline, large ones by LFS) and load from it. There
are no branches, no pull requests, no deletions and no Xet; what it does not know it answers with an
error, and `hub.requests` shows it.

    with LocalHub() as hub:
        subprocess.run([...], env=hub.environment(home=tmp_path))

huggingface_hub reads HF_ENDPOINT when it is imported, hence the process of its own. A test module
that imports `local_hub` from here has it as its fixture `hub`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.card_metadata import metadata_errors


ROOT = Path(__file__).resolve().parents[1]
LARGE = (".safetensors", ".bin", ".parquet", ".arrow")
DATE = "2026-01-01T00:00:00.000Z"

Files = dict[str, bytes]


@dataclass
class Repo:
    """A repository: its commits, oldest first, each an id and all files at that point."""

    type: str
    name: str
    commits: list[tuple[str, Files]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    @property
    def files(self) -> Files:
        return self.commits[-1][1]

    def commit(self, files: Files, message: str) -> str:
        content = "".join(f"{path} {hashlib.sha1(files[path]).hexdigest()}" for path in sorted(files))
        parent = self.commits[-1][0] if self.commits else ""
        sha = hashlib.sha1(f"{parent} {message} {content}".encode()).hexdigest()
        self.commits.append((sha, files))
        self.messages.append(message)
        return sha

    def at(self, revision: str | None) -> tuple[str, Files] | None:
        if revision in (None, "main"):
            return self.commits[-1]
        return next((commit for commit in self.commits if commit[0] == revision), None)


class LocalHub:
    """The server, as a context manager.

    Attributes:
        url: what HF_ENDPOINT shall be.
        repos: name, such as `"me/model"`, to repository; a data set's is `"datasets/me/data"`.
        requests: method, path and status of each request so far.
        account: what `whoami` answers; None refuses every token.
        private: name to whether the repository was asked to be private.
        failures: action, such as `"commit"`, to how many more of its requests fail.
        failure_status: what those are answered with.
    """

    def __init__(self, user: str = "me", role: str = "write") -> None:
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, int]] = []
        self.private: dict[str, bool] = {}
        self.failures: dict[str, int] = {}
        self.failure_status = 503
        auth = {"type": "access_token", "accessToken": {"displayName": "test", "role": role}}
        self.account: dict[str, Any] | None = {"type": "user", "name": user, "auth": auth}
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> LocalHub:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self, home: str | os.PathLike[str]) -> dict[str, str]:
        """Environment variables of a process that shall take this server for the Hub.

        Args:
            home: an empty folder, where its caches go.
        """
        away = re.compile("HF_HUB_OFFLINE|TRANSFORMERS_OFFLINE|HF_DATASETS_OFFLINE|.*_(?i:proxy)")
        return {
            **{name: value for name, value in os.environ.items() if not away.fullmatch(name)},
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_TOKEN": "hf_test",
            # with Xet, huggingface_hub takes large files to a server of its kind or fails
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }


@pytest.fixture(name="hub")
def local_hub() -> Iterator[LocalHub]:
    with LocalHub() as server:
        yield server


REPO = r"(?:(?P<type>datasets|spaces)/)?(?P<name>[^/]+/[^/]+)"
API = r"/api/(?P<type>models|datasets|spaces)/(?P<name>[^/]+/[^/]+)"
ROUTES = [
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/validate-yaml", "validate"),
    ("GET", r"/api/whoami-v2", "whoami"),
    ("POST", rf"{API}/preupload/(?P<revision>[^/]+)", "preupload"),
    ("POST", rf"{API}/commit/(?P<revision>[^/]+)", "commit"),
    ("GET", rf"{API}/tree/(?P<revision>[^/]+)(?:/(?P<path>.*))?", "tree"),
    ("GET", rf"{API}(?:/revision/(?P<revision>[^/]+))?", "info"),
    ("POST", rf"/{REPO}\.git/info/lfs/objects/batch", "lfs_batch"),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", "lfs_upload"),
    ("GET", rf"/{REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
]


class _Refused(Exception):
    """A request that fails: status, and the code by which huggingface_hub tells why."""

    def __init__(self, status: int, code: str, **headers: str) -> None:
        self.status, self.code = status, code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: LocalHub

    def log_message(self, *args: Any) -> None:
        pass

    def dispatch(self) -> None:
        self.body = self.read_body()
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query)
        method = "GET" if self.command == "HEAD" else self.command
        try:
            for wanted, pattern, action in ROUTES:
                match = re.fullmatch(pattern, unquote(parts.path))
                if match and wanted == method:
                    if self.hub.failures.get(action, 0) > 0:
                        self.hub.failures[action] -= 1
                        raise _Refused(self.hub.failure_status, "Failure")
                    return getattr(self, action)(**match.groupdict())
            raise _Refused(404, "UnknownRequest")
        except _Refused as refusal:
            error = json.dumps({"error": refusal.code}).encode()
            self.answer(error, refusal.status, {"X-Error-Code": refusal.code, **refusal.headers})

    do_GET = do_HEAD = do_POST = do_PUT = dispatch

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def answer(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.hub.requests.append((self.command, self.path, status))
        self.send_response(status)
        kind = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        for name, value in {**kind, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, content: Any) -> None:
        self.answer(json.dumps(content).encode())

    def repo(self, type: str | None, name: str) -> Repo:
        found = self.hub.repos.get(name if type in (None, "models") else f"{type}/{name}")
        if found is None:
            raise _Refused(404, "RepoNotFound")
        return found

    def tree_at(self, type: str | None, name: str, revision: str | None) -> tuple[str, Files]:
        found = self.repo(type, name).at(revision)
        if found is None:
            raise _Refused(404, "RevisionNotFound")
        return found

    def whoami(self) -> None:
        if self.hub.account is None:
            raise _Refused(401, "InvalidToken")
        self.answer_json(self.hub.account)

    def validate(self) -> None:
        errors = metadata_errors(json.loads(self.body)["content"])
        if errors:
            reply = {"errors": [{"message": error} for error in errors], "warnings": []}
            return self.answer(json.dumps(reply).encode(), 400)
        self.answer_json({"errors": [], "warnings": []})

    def create(self) -> None:
        asked = json.loads(self.body)
        if self.hub.account is None:
            raise _Refused(401, "InvalidToken")
        name = f"{asked.get('organization') or self.hub.account['name']}/{asked['name']}"
        kind = (asked.get("type") or "model") + "s"
        key = name if kind == "models" else f"{kind}/{name}"
        reply = {"url": f"{self.hub.url}/{key}", "name": name, "id": name}
        if key in self.hub.repos:
            return self.answer(json.dumps(reply).encode(), 409)
        self.hub.repos[key] = Repo(kind, name)
        self.hub.private[key] = bool(asked.get("private") or asked.get("visibility") == "private")
        self.hub.repos[key].commit({}, "initial commit")
        self.answer_json(reply)

    def preupload(self, type: str, name: str, revision: str) -> None:
        self.tree_at(type, name, revision)
        answers = []
        for file in json.loads(self.body)["files"]:
            mode = "lfs" if file["path"].endswith(LARGE) else "regular"
            answers.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False})
        self.answer_json({"files": answers})

    def lfs_batch(self, type: str | None, name: str) -> None:
        self.repo(type, name)
        objects = []
        for asked in json.loads(self.body)["objects"]:
            reply = {"oid": asked["oid"], "size": asked["size"]}
            if asked["oid"] not in self.hub.objects:
                reply["actions"] = {"upload": {"href": f"{self.hub.url}/lfs/{asked['oid']}"}}
            objects.append(reply)
        self.answer_json({"transfer": "basic", "objects": objects})

    def lfs_upload(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise _Refused(400, "ChecksumMismatch")
        self.hub.objects[oid] = self.body
        self.answer(b"")

    def commit(self, type: str, name: str, revision: str) -> None:
        files, message = dict(self.tree_at(type, name, revision)[1]), ""
        for line in self.body.splitlines():
            operation = json.loads(line)
            key, value = operation["key"], operation["value"]
            if key == "header":
                message = value["summary"]
            elif key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            else:
                raise _Refused(400, f"UnknownOperation-{key}")
        sha = self.repo(type, name).commit(files, message)
        url = f"{self.hub.url}/{name}/commit/{sha}"
        self.answer_json({"success": True, "commitOid": sha, "commitUrl": url})

    def info(self, type: str, name: str, revision: str | None) -> None:
        sha, files = self.tree_at(type, name, revision)
        siblings = [{"rfilename": path, "size": len(data)} for path, data in files.items()]
        facts = {"id": name, "modelId": name, "sha": sha, "siblings": siblings, "tags": []}
        self.answer_json({**facts, "private": False, "gated": False, "lastModified": DATE})

    def tree(self, type: str, name: str, revision: str, path: str | None) -> None:
        _, files = self.tree_at(type, name, revision)
        recursive = self.query.get("recursive", ["false"])[0].lower() == "true"
        prefix = f"{path}/" if path else ""
        entries: dict[str, dict[str, Any]] = {}
        for file in files:
            if not file.startswith(prefix):
                continue
            folder, _, rest = file.removeprefix(prefix).partition("/")
            kind, place, data = "file", file, files[file]
            if rest and not recursive:
                kind, place, data = "directory", prefix + folder, b""
            oid = hashlib.sha1(data).hexdigest()
            entries[place] = {"type": kind, "path": place, "oid": oid, "size": len(data)}
        if path and not entries:
            raise _Refused(404, "EntryNotFound")
        self.answer_json(list(entries.values()))

    def resolve(self, type: str | None, name: str, revision: str, path: str) -> None:
        sha, files = self.tree_at(type, name, revision)
        if path not in files:
            raise _Refused(404, "EntryNotFound", X_Repo_Commit=sha)
        data = files[path]
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        self.answer(data, 200, {"X-Repo-Commit": sha, "ETag": etag})
