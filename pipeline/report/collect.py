"""What the stages wrote about themselves, gathered for the report: read from artifacts and manifests, not computed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.common.files import read_json, read_jsonl
from pipeline.common.settings import completed
from pipeline.common.yaml import flat

Folders = Mapping[str, Mapping[str, Mapping[int, Path]]]
"""stage -> arm -> seed -> artifact."""
Usual = Mapping[str, Mapping[str, Any]]
"""stage -> its settings at their defaults."""
Manifests = Mapping[str, Mapping[str, Mapping[int, Mapping[str, Any]]]]
"""arm -> stage -> seed -> manifest.json: {"fingerprint", "settings", "seconds", "libraries", "python", ...}, or {}."""


def described(stages: Folders, rungs: list[str], final: str, beside: str, usual: Usual) -> dict[str, Any]:
    """The parts of report.json that the stages tell, by the names they have there; what it took is in the manifests.

    ``rungs``: the arms of the ladder, each set against the one above, or all against the first, as ``beside`` says; the
    other arms are set against the ``final`` one.
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
    settings = {arm: completed(_settings(manifests[arm]), usual) for arm in arms}
    prepared = first["prepare"][final]
    models = {arm: [path for path in (folder / "model").rglob("*") if path.is_file()]
              for arm, folder in first["finetune"].items()}  # fmt: skip
    megabytes = {arm: sum(path.stat().st_size for path in files) / 1e6 for arm, files in models.items()}
    return {
        "changes": changes({arm: settings[arm] for arm in rungs})
        | {
            arm: changes({other: settings[other], arm: settings[arm]})[arm]
            for arm in arms
            if (other := final if arm not in rungs else rungs[0] if beside == "first" else arm) != arm
        },
        "arms": {
            arm: _arm(arm, stages, first) | {"model_megabytes": megabytes[arm], "settings": settings[arm]}
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
        "frontier": {arm: read(folder / "frontier.json") or None for arm, folder in first["finetune"].items()},
        "emoji": {arm: read(folder / "emoji.json") or None for arm, folder in first["evaluate"].items()},
        "behaviour": {arm: read(folder / "behaviour.json") or None for arm, folder in first["evaluate"].items()},
        "cost": {"seconds": seconds(manifests), "model_megabytes": megabytes},
        "versions": versions(manifests),
        "fingerprints": fingerprints(manifests),
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
    return dict(read_json(path)) if path.exists() else {}


def seconds(manifests: Manifests) -> dict[str, dict[str, dict[str, Any]]]:
    """Seconds of each stage of each arm, all seeds together.

    Returns:
        arm -> stage -> {"seconds": all of it, "new": less what an earlier arm had already made, "shared_with": that
        arm or None}; a stage without a known time is left out.
    """
    owner: dict[str, str] = {}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for arm, stages in manifests.items():
        for stage, seeds in stages.items():
            artifacts = {entry["fingerprint"]: entry["seconds"] for entry in seeds.values() if "seconds" in entry}
            if not artifacts:
                continue
            new = {fingerprint: spent for fingerprint, spent in artifacts.items() if fingerprint not in owner}
            shared = next((owner[fingerprint] for fingerprint in artifacts if fingerprint in owner), None)
            found.setdefault(arm, {})[stage] = {
                "seconds": sum(artifacts.values()),
                "new": sum(new.values()),
                "shared_with": shared,
            }
            owner |= dict.fromkeys(new, arm)
    return found


def changes(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Settings in which each arm differs from the one before it: {"setting": "stage.key", "from", "to"}.

    ``settings``: arm -> stage -> its settings.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    before: dict[str, Any] | None = None
    for arm, stages in settings.items():
        now = flat(stages)
        found[arm] = [
            {"setting": key, "from": before[key], "to": value}
            for key, value in now.items()
            if before is not None and key in before and before[key] != value
        ]
        before = now
    return found


def versions(manifests: Manifests) -> dict[str, list[str]]:
    """Versions of Python, platform and libraries behind the artifacts; several where they changed on the way."""
    found: dict[str, set[str]] = {}
    for entry in _every(manifests):
        for name in ("python", "platform"):
            if name in entry:
                found.setdefault(name, set()).add(str(entry[name]))
        for library, version in entry.get("libraries", {}).items():
            found.setdefault(library, set()).add(str(version))
    return {name: sorted(found[name]) for name in found}


def fingerprints(manifests: Manifests) -> dict[str, dict[str, dict[str, str]]]:
    """arm -> stage -> seed -> fingerprint of the artifact that was used."""
    return {
        arm: {
            stage: {str(seed): entry["fingerprint"] for seed, entry in seeds.items() if "fingerprint" in entry}
            for stage, seeds in stages.items()
        }
        for arm, stages in manifests.items()
    }


def _every(manifests: Manifests) -> list[Mapping[str, Any]]:
    return [entry for stages in manifests.values() for seeds in stages.values() for entry in seeds.values()]
