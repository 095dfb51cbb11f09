"""What goes to the Hub, and to whom it is shown: against a stub that speaks its protocol."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import huggingface_hub
import pytest

from pipeline.common.errors import InputError
from pipeline.deployment.push import push


class Hub(ThreadingHTTPServer):
    """One repository, of which weights go into large storage and the rest into the commit."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.private: bool | None = None
        self.stored: dict[str, bytes] = {}
        self.files: dict[str, bytes] = {}
        self.tokens: set[str | None] = set()
        self.refuses = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        told = {"id": "me/mine", "private": self.server.private, "sha": "a" * 40, "siblings": [], "tags": []}
        self.say(told, 403 if self.server.refuses else 200)

    def do_PUT(self) -> None:
        self.server.stored[self.path.rsplit("/", 1)[1]] = self.body()
        self.say({})

    def do_POST(self) -> None:
        content, hub = self.body(), self.server
        hub.tokens.add(self.headers["authorization"])
        told: Any = json.loads(content) if not self.path.endswith("/commit/main") else content.splitlines()
        if hub.refuses:
            self.say({"error": "no"}, 403)
        elif self.path == "/api/repos/create":
            code = 200 if hub.private is None else 409
            hub.private = told.get("visibility") == "private" if hub.private is None else hub.private
            self.say({"url": f"{hub.address}/me/mine"}, code)
        elif self.path == "/api/validate-yaml":
            self.say({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            modes = {True: "lfs", False: "regular"}
            files = [
                {"path": file["path"], "shouldIgnore": False, "uploadMode": modes[file["path"].endswith("safetensors")]}
                for file in told["files"]
            ]
            self.say({"files": files})
        elif self.path.endswith("/info/lfs/objects/batch"):
            objects = [
                each | {"actions": {"upload": {"href": f"{hub.address}/store/{each['oid']}"}}}
                for each in told["objects"]
            ]
            self.say({"transfer": "basic", "objects": objects})
        else:
            for line in map(json.loads, told):
                value = line["value"]
                if line["key"] == "file":
                    hub.files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    hub.files[value["path"]] = hub.stored[value["oid"]]
            self.say({"commitUrl": f"{hub.address}/me/mine/commit/1", "commitOid": "1"})

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["content-length"] or 0))

    def say(self, told: Any, code: int = 200) -> None:
        content = json.dumps(told).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.address)
        monkeypatch.setenv("HF_TOKEN", "hf_toy")
        huggingface_hub.close_session()
        yield server
        server.shutdown()
    huggingface_hub.close_session()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model in a report, with texts of the data around it and in it."""
    model = tmp_path / "report" / "model"
    (tmp_path / "report" / "figures").mkdir(parents=True)
    (tmp_path / "report" / "tables").mkdir()
    model.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors", "retone.json"):
        (model / name).write_text(f'{{"is": "{name}"}}')
    (model / "README.md").write_text("---\nlicense: mit\n---\n# Mine\n")
    (tmp_path / "report" / "figures" / "ladder-0.svg").write_text("<svg/>")
    for name in ("report/report.json", "report/report.html", "report/tables/mistakes.csv", "report/model/reviews.csv",
                 "report/model/train.jsonl", "report/model/optimizer.pt"):  # fmt: skip
        (tmp_path / name).write_text("a private review")
    return model


def test_model_card_and_pictures_arrive_and_no_text(hub: Hub, folder: Path) -> None:
    assert push(folder, "me/mine") == f"{hub.address}/me/mine/commit/1"
    assert hub.private is True
    names = {"README.md", "config.json", "retone.json", "tokenizer.json", "model.safetensors"}
    assert hub.files == {name: (folder / name).read_bytes() for name in names} | {"figures/ladder-0.svg": b"<svg/>"}
    assert set(hub.stored) == {hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()}
    assert hub.tokens - {None} == {"Bearer hf_toy"}


def test_public_only_where_that_is_said(hub: Hub, folder: Path) -> None:
    hub.private = False  # as it stands there
    with pytest.raises(InputError, match="everybody can read it, and nothing was uploaded; say --public"):
        push(folder, "me/mine")
    assert hub.files == {}
    push(folder, "me/mine", public=True)
    assert "model.safetensors" in hub.files


def test_a_new_one_is_public_if_that_is_said(hub: Hub, folder: Path) -> None:
    push(folder, "me/mine", public=True)
    assert hub.private is False


def test_what_the_hub_refuses_is_one_line(hub: Hub, folder: Path) -> None:
    hub.refuses = True
    with pytest.raises(InputError, match=r"push me/mine: the Hub cannot be reached or said no \(HfHubHTTPError: .*403"):
        push(folder, "me/mine")
    with pytest.raises(InputError, match=r"push no good name: .* name OWNER/NAME"):
        push(folder, "no good name")
    (folder / "README.md").unlink()
    with pytest.raises(InputError, match=r"no README\.md with weights beside it"):
        push(folder, "me/mine")
