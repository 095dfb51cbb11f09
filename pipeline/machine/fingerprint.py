"""The identity of a piece of work: whatever can change its result, and nothing else, as one fingerprint.

An input counts by the digest of what it holds, not by how it was made: if a stage is run again and comes out the same,
nothing after it has to run (early cut-off).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pipeline.common.errors import InputError
from pipeline.common.files import digest, sha256
from pipeline.common.settings import declared
from pipeline.common.yaml import as_plain, flat
from pipeline.machine.stage import Stage, StageSettings

InputDigests = Mapping[str, str | Mapping[str, str]]
"""Per input stage the digest of its artifact; for a stage that collects, one digest per run, in ladder order."""


@dataclass(frozen=True)
class Identity:
    """What one run of a stage is made from."""

    stage: str
    version: int
    settings: Mapping[str, Any]
    """All that can change the result, for people to read."""
    seed: int | None
    reads: Mapping[str, str]
    inputs: InputDigests
    chosen: Mapping[str, Any]
    """Those settings that are not at their default: ``version`` stands for the others."""

    @property
    def fingerprint(self) -> str:
        """SHA-256, as 64 hexadecimal digits. The order of settings does not count, the order of collected runs does.

        Settings at their default are left out, so that a new one makes nothing stale.
        """
        return fingerprint(asdict(self))

    def manifest(self, seconds: float) -> dict[str, Any]:
        """What the store writes down about the artifact, beside its files."""
        return {"fingerprint": self.fingerprint, **asdict(self), "seconds": round(seconds, 3)}


def fingerprint(told: Mapping[str, Any]) -> str:
    """The fingerprint of an identity, or of what a manifest tells of one."""
    inputs = [
        [name, list(it.items()) if isinstance(it, Mapping) else it] for name, it in sorted(told["inputs"].items())
    ]
    return digest([*(told[name] for name in ("stage", "version", "chosen", "seed", "reads")), inputs])


def identify(
    stage: Stage, settings: StageSettings, seed: int | None, reads: Mapping[str, str], inputs: InputDigests
) -> Identity:
    """Gather the identity of a stage under these settings; ``seed`` counts only if the stage wants one."""
    return Identity(
        stage=stage.name,
        version=stage.version,
        settings=result_settings(settings),
        seed=seed if stage.wants("seed") else None,
        reads=reads,
        inputs=inputs,
        chosen=chosen_settings(settings),
    )


def result_settings(settings: BaseModel) -> dict[str, Any]:
    """The settings that can change the result, as plain JSON values: less what changes speed, or counts by content."""
    kind = type(settings)
    plain = settings.model_dump(mode="json", exclude=declared(kind, "speed_only") | declared(kind, "by_content"))
    groups = {name: value for name, value in settings if name in plain and isinstance(value, BaseModel)}
    return plain | {name: result_settings(group) for name, group in groups.items()}


def usual_settings(story: Iterable[Stage]) -> dict[str, dict[str, Any]]:
    """Those of each stage, all at their defaults."""
    return {stage.name: result_settings(stage.settings_type()) for stage in story}


def chosen_settings(settings: BaseModel, default: Any = None) -> dict[str, Any]:
    """Those of ``result_settings`` that are not at their default; of a group, what differs from the group's default."""
    default = default or type(settings).model_construct()
    found: dict[str, Any] = {}
    for name, plain in result_settings(settings).items():
        value, usual = getattr(settings, name), getattr(default, name, ...)
        if isinstance(value, BaseModel):
            found |= {name: inner} if (inner := chosen_settings(value, usual)) else {}
        elif value != usual:
            found[name] = plain
    return found


def digest_reads(stage: Stage, settings: StageSettings) -> dict[str, str]:
    """Digest what the stage reads from outside the store: files and folders by content, literal texts as they are.

    Raises:
        InputError: if a file is missing or cannot be read.
    """
    digests = {}
    for label, source in stage.reads(settings).items():
        try:
            digests[label] = sha256(source) if isinstance(source, Path) else digest(source)
        except OSError as error:
            raise InputError(
                f"{stage.name} reads {label}: cannot read {source} ({error.strerror}); check the path and permissions"
            ) from error
    return digests


def differences(last: Mapping[str, Any], now: Identity) -> list[str]:
    """Say why the artifact with the manifest ``last`` is not the one that ``now`` asks for, in words for people."""
    reasons = []
    if last["version"] != now.version:
        reasons.append(f"version {last['version']} -> {now.version}")
    if last["seed"] != now.seed:
        reasons.append(f"seed {last['seed']} -> {now.seed}")
    before, after = flat(last["settings"]), flat(now.settings)
    new = set(after) - set(before) - set(flat(now.chosen))  # and at their default
    for name in _changed(before, after):
        if name not in new:
            was, becomes = (as_plain(side.get(name, "unset")) for side in (before, after))
            reasons.append(f"setting {name}: {was} -> {becomes}")
    reasons += [f"reads {label} changed" for label in _changed(last["reads"], now.reads)]
    reasons += [f"input {name} changed" for name in _changed(last["inputs"], now.inputs)]
    return reasons


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    names = dict.fromkeys([*after, *before])
    return [name for name in names if _ordered(before.get(name)) != _ordered(after.get(name))]


def _ordered(value: Any) -> Any:
    return [list(pair) for pair in value.items()] if isinstance(value, Mapping) else value
