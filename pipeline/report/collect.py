"""What the stages wrote about themselves, gathered for the report: read from their artifacts, nothing computed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.common.files import read_jsonl
from pipeline.report import ledger

Folders = Mapping[str, Mapping[str, Mapping[int, Path]]]
"""stage -> arm -> seed -> artifact."""


def described(stages: Folders, rungs: list[str], final: str) -> dict[str, Any]:
    """The parts of report.json that the stages tell, by the names they have there; what it took is in the manifests.

    ``rungs``: the arms of the ladder; the others are set against the ``final`` one.
    """
    arms = list(stages["evaluate"])
    first = {stage: {arm: next(iter(seeds.values())) for arm, seeds in made.items()} for stage, made in stages.items()}
    manifests = {
        arm: {
            stage: {seed: read(folder / "manifest.json") for seed, folder in made[arm].items()}
            for stage, made in stages.items()
        }
        for arm in arms
    }
    prepared = first["prepare"][final]
    megabytes = {arm: _bytes(folder / "model") / 1e6 for arm, folder in first["finetune"].items()}
    return {
        "changes": ledger.changes({arm: manifests[arm] for arm in rungs})
        | {
            arm: ledger.changes({final: manifests[final], arm: manifests[arm]})[arm] for arm in arms if arm not in rungs
        },
        "arms": {
            arm: _arm(arm, stages, first) | {"model_megabytes": megabytes[arm], "settings": _settings(manifests[arm])}
            for arm in arms
        },
        "coverage": {arm: read(folder / "coverage.json") for arm, folder in first["tokenizer"].items()},
        "corpora": read(prepared / "corpora.json"),
        "audit": read(prepared / "audit.json"),
        "shift": read(prepared / "shift.json"),
        "masked_loss": {
            arm: read(folder / "retention.json").get("shift", {}) for arm, folder in first["evaluate"].items()
        },
        "layers": {
            arm: {part: read(folder / "retention.json").get(part, {}) for part in ("probes", "cka", "drift")}
            for arm, folder in first["evaluate"].items()
        },
        "frontier": {arm: read(folder / "frontier.json") for arm, folder in first["finetune"].items()},
        "emoji": {arm: read(folder / "emoji.json") for arm, folder in first["evaluate"].items()},
        "cost": {"seconds": ledger.seconds(manifests), "model_megabytes": megabytes},
        "versions": ledger.versions(manifests),
        "fingerprints": ledger.fingerprints(manifests),
    }


def _arm(arm: str, stages: Folders, first: Mapping[str, Mapping[str, Path]]) -> dict[str, Any]:
    """One arm: its model, how its training went, and the scores of each seed as evaluate wrote them."""
    scores = {seed: read(folder / "scores.json")["corpora"] for seed, folder in stages["evaluate"][arm].items()}
    tuned = {str(seed): folder for seed, folder in stages["finetune"][arm].items()}
    return {
        "model": f"models/{arm}",
        "model_seed": next(iter(scores)),
        "source": read(first["source"][arm] / "source.json"),
        "pretrain": read(first["pretrain"][arm] / "pretrain.json"),
        "finetune": {seed: read(folder / "finetune.json") for seed, folder in tuned.items()},
        "seeds": {
            str(seed): {corpus: {**found["model"], "plain": found.get("plain")} for corpus, found in corpora.items()}
            for seed, corpora in scores.items()
        },
        "history": {
            "pretrain": read_jsonl(first["pretrain"][arm] / "history.jsonl"),
            "finetune": {seed: read_jsonl(folder / "history.jsonl") for seed, folder in tuned.items()},
        },
    }


def _settings(manifests: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> dict[str, Any]:
    """The settings of each stage of an arm, as the recipe gave them."""
    return {stage: next(iter(seeds.values())).get("settings", {}) for stage, seeds in manifests.items()}


def read(path: Path) -> dict[str, Any]:
    """A JSON file of an artifact; empty where this run has none."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
