"""`molvae push` and `pull` against a small hub on this computer, which keeps what it is sent."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import molvae
from molvae.cli import main

pytest.importorskip("huggingface_hub")
SHA = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """The few paths of the hub's HTTP interface that uploading and downloading a small model needs."""

    files: dict[str, dict[str, bytes]] = {}  # noqa: RUF012 - one hub for all requests of a test

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def tell(self, value: Any) -> None:
        self.answer(200, json.dumps(value).encode(), Content_Type="application/json")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/api/repos/create":
            name = json.loads(body)["name"]
            owner = json.loads(body).get("organization") or "ada"
            self.files.setdefault(f"{owner}/{name}", {})
            self.tell({"url": f"http://{self.headers['Host']}/{owner}/{name}"})
        elif self.path == "/api/validate-yaml":
            self.tell({"errors": [], "warnings": []})
        elif match := re.fullmatch(r"/api/models/(.+)/preupload/main", self.path):
            sent = json.loads(body)["files"]
            self.tell({"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in sent]})
        elif match := re.fullmatch(r"/api/models/(.+)/commit/main", self.path):
            for line in body.decode().splitlines():
                change = json.loads(line)
                if change["key"] == "file":
                    self.files[match[1]][change["value"]["path"]] = base64.b64decode(change["value"]["content"])
            self.tell(
                {
                    "commitUrl": f"http://{self.headers['Host']}/{match[1]}/commit/{SHA}",
                    "commitOid": SHA,
                    "success": True,
                }
            )
        else:
            self.answer(404)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/[^/]+)?", path):
            if match[1] not in self.files:
                self.answer(404, b"{}", X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")
                return
            files = [{"rfilename": name} for name in self.files[match[1]]]
            self.tell({"id": match[1], "sha": SHA, "siblings": files, "private": False, "tags": [], "downloads": 0})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/[^/]+/?", path):
            self.tell(
                [{"type": "file", "path": p, "size": len(c), "oid": SHA} for p, c in self.files[match[1]].items()]
            )
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            content = self.files.get(match[1], {}).get(match[2])
            if content is None:
                self.answer(404, b"", X_Error_Code="EntryNotFound")
                return
            etag = hashlib.sha1(content).hexdigest()
            self.answer(200, content, ETag=f'"{etag}"', X_Repo_Commit=SHA)
        else:
            self.answer(404)

    do_HEAD = do_GET  # noqa: N815


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.setattr(Hub, "files", {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def call(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


def test_a_model_that_was_pushed_comes_back_as_it_was(run: Path, hub: str, tmp_path: Path) -> None:
    pushed = call("push", run, "hf:ada/leads", "--endpoint", hub)
    assert pushed.exit_code == 0, pushed.output
    assert f"{hub}/ada/leads" in pushed.output
    assert b"library_name: molvae" in Hub.files["ada/leads"]["README.md"]
    pulled = call("pull", "hf:ada/leads", "-o", tmp_path / "leads", "--endpoint", hub)
    assert pulled.exit_code == 0, pulled.output
    ours, theirs = (molvae.load(path, device="cpu").sample(5, seed=0) for path in (run, tmp_path / "leads"))
    assert ours == theirs


def test_what_is_pulled_is_checked_and_nothing_half_is_left(hub: str, tmp_path: Path) -> None:
    Hub.files["ada/broken"] = {"config.json": b"{}", "vocabulary.json": b"{}"}
    pulled = call("pull", "hf:ada/broken", "-o", tmp_path / "broken", "--endpoint", hub)
    assert pulled.exit_code == 1
    assert "Traceback" not in pulled.output
    assert not (tmp_path / "broken").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pull", "hf:ada/nothing"], "hf:ada/nothing: "),
        (["pull", "ada/leads"], "expected hf:user/name"),
        (["pull", "hf:ada"], "expected hf:user/name"),
    ],
)
def test_what_the_hub_does_not_have_is_one_sentence(words: list[str], said: str, hub: str, tmp_path: Path) -> None:
    result = call(*words, "-o", tmp_path / "new", "--endpoint", hub)
    assert result.exit_code == 1
    assert said in result.output
    assert not (tmp_path / "new").exists()


def test_a_hub_that_cannot_be_reached_is_one_sentence(run: Path, tmp_path: Path) -> None:
    result = call("pull", "hf:ada/leads", "-o", tmp_path / "new", "--endpoint", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert result.output.startswith("Error: hf:ada/leads")
