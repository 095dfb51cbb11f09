"""A stage's version stands for the defaults of its settings, which fingerprints leave out; ``defaults.json`` pins them.

After adding a setting, or raising a version: ``python -m tests.stages.test_defaults`` writes that file anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.yaml import flat
from pipeline.machine.fingerprint import result_settings
from stages import STORY

FILE = Path(__file__).with_name("defaults.json")
PINNED = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
NOW = {
    stage.name: {"version": stage.version, "defaults": flat(result_settings(stage.settings_type()))} for stage in STORY
}


def changed(pinned: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Settings whose default is another than in the file, though the version is the same."""
    before, after = pinned.get("defaults", {}), now["defaults"]
    apart = [name for name in before if name in after and before[name] != after[name]]
    return apart if pinned.get("version") == now["version"] else []


@pytest.mark.parametrize("stage", NOW)
def test_a_default_changes_only_together_with_the_version(stage: str) -> None:
    names = changed(PINNED[stage], NOW[stage])
    assert not names, f"you changed a default of stage {stage} ({', '.join(names)}): raise its version and renew {FILE}"
    assert PINNED[stage] == NOW[stage], f"settings or version of stage {stage} changed: renew {FILE}"


def test_the_guard_guards() -> None:
    pinned = {"version": 1, "defaults": {"rate": 0.1, "steps": 3}}
    assert changed(pinned, {"version": 1, "defaults": {"rate": 0.2, "steps": 3}}) == ["rate"]
    assert changed(pinned, {"version": 2, "defaults": {"rate": 0.2, "steps": 3}}) == []
    assert changed(pinned, {"version": 1, "defaults": {"rate": 0.1, "new": 1}}) == []


if __name__ == "__main__":
    for name in NOW:
        if unsaid := changed(PINNED.get(name, {}), NOW[name]):
            raise SystemExit(f"stage {name}: another default of {', '.join(unsaid)}; raise its version first")
    FILE.write_text(json.dumps(NOW, indent=1, ensure_ascii=False) + "\n", "utf-8")
