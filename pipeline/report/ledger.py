"""What a run cost and what it was made of, read from the manifests that lie beside every artifact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Manifests = Mapping[str, Mapping[str, Mapping[int, Mapping[str, Any]]]]
"""arm -> stage -> seed -> manifest.json: {"fingerprint", "settings", "seconds", "libraries", "python", ...}, or {}."""


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


def changes(manifests: Manifests) -> dict[str, list[dict[str, Any]]]:
    """Settings in which each arm differs from the one before it: {"setting": "stage.key", "from", "to"}."""
    found: dict[str, list[dict[str, Any]]] = {}
    before: dict[str, Any] | None = None
    for arm, stages in manifests.items():
        now = {
            f"{stage}.{key}": value
            for stage, seeds in stages.items()
            for key, value in next(iter(seeds.values())).get("settings", {}).items()
        }
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
