"""The runs of a store, listed; two reports by hand, with settings that differ."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.errors import InputError
from pipeline.machine import cli
from pipeline.machine.lock import hold
from pipeline.report import history
from stages import __main__ as verbs
from stages import finetune


def figure(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02, "n": 300}


def report(recipe: str, score: float, rates: dict[str, float]) -> dict[str, Any]:
    kept = {"kept": {"masked": {"wiki": figure(0.97)}, "pairs": {}}, "masked": {"wiki": {}}, "pairs": {}}
    return {
        "name": "Toy",
        "recipe": recipe,
        "final_arm": list(rates)[-1],
        "ladder": [{"arm": arm, "scores": {"shop": {"macro_recall": figure(score)}}} for arm in rates],
        "retention": {arm: {"base": kept, "tuned": kept} for arm in rates},
        "verdicts": [],
        "arms": {arm: {"settings": {"finetune": {"rate": rate, "epochs": 3}}} for arm, rate in rates.items()},
    }


def put(store: Path, name: str, finished: str, told: dict[str, Any]) -> Path:
    folder = store / "report" / name
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(told), "utf-8")
    (folder / "manifest.json").write_text(json.dumps({"finished": f"{finished}:30+00:00"}), "utf-8")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    first = report("mine", 0.7, {"naive": 1e-4, "full": 1e-4})
    put(tmp_path, "f" * 16, "2026-01-02T10:00", first)
    put(tmp_path, "a" * 16, "2026-01-03T10:00", report("other", 0.6, {"naive": 1e-4, "full": 5e-5}))
    last = report("mine", 0.75, {"naive": 2e-4, "full": 2e-4, "best": 1e-4})
    last["arms"]["full"]["settings"]["finetune"]["epochs"] = 4
    put(tmp_path, "b" * 16, "2026-01-04T10:00", last)
    put(tmp_path, f"{'c' * 16}.damaged", "2026-01-05T10:00", first)
    put(tmp_path, "d" * 16, "2026-01-06T10:00", {"no": "report"})
    return tmp_path


def test_runs_are_listed_oldest_first_with_what_changed(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(verbs.build(), ["history", "--store", str(store)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[2:] == [
        "1 mine (ffffffff) 2026-01-02 10:00 full, last of 2 70.0 (68.0–72.0) – 97.0 (95.0–99.0)",
        "2 other (aaaaaaaa) 2026-01-03 10:00 full, last of 2 60.0 (58.0–62.0) – 97.0 (95.0–99.0)",
        "3 mine (bbbbbbbb) 2026-01-04 10:00 best, last of 3 75.0 (73.0–77.0) – 97.0 (95.0–99.0)",
        "",
        "Settings that differ",
        "2 against 1: finetune.rate: 0.0001 → 5e-05 (full)",
        "3 against 1: finetune.rate: 0.0001 → 0.0002",
        "finetune.epochs: 3 → 4 (full)",
        "arm best: new",
    ]


def test_many_settings_are_counted(store: Path) -> None:
    told = report("mine", 0.7, {"naive": 1e-4, "full": 1e-4})
    for arm in told["arms"].values():
        arm["settings"]["finetune"] = {f"new_{number}": number for number in range(9)}
    put(store, "e" * 16, "2026-02-01T10:00", told)
    assert history.text(history.runs(store), {}).endswith(f"and {9 + 2 + 1 + 1 - history.SHOWN} more: compare 3 4")


def test_compare_takes_numbers_recipes_and_beginnings(store: Path) -> None:
    named = {name: history.find(name, store).name[0] for name in ("1", "2", "3", "mine", "other", "aaaa", "ffffffff")}
    assert named == {"1": "f", "2": "a", "3": "b", "mine": "b", "other": "a", "aaaa": "a", "ffffffff": "f"}
    path = str(store / "report" / ("a" * 16))
    assert history.find(path, store) == Path(path)
    for name in ("0", "4", "aa", "nobody", "latest"):
        with pytest.raises(InputError, match=f"^run {name}: no report.json there, and no run .*1 to 3, or a recipe"):
            history.find(name, store)


def test_an_empty_store_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(verbs.build(), ["history", "--store", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"store {tmp_path}: no report yet; make one with `make all`\n"
    with hold(tmp_path / "locks" / "prepare-0", "make all"):
        assert cli.main(verbs.build(), ["history", "--store", str(tmp_path)]) == 2
    said = f"store {tmp_path}: no report yet; one is being made by PID {os.getpid()}, command make all, since 2"
    assert capsys.readouterr().err.startswith(said)
    assert cli.main(verbs.build(), ["compare", "1", "2", "--store", str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith("is called so (none yet)\n")


def test_a_setting_that_is_newer_than_a_run_was_at_its_default_there(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last of three runs tells of the contrast that the others did not know: at its default it is no difference."""
    assert finetune.Settings().contrast.weight == 0.0
    for weight, name in ((0.0, "e"), (0.1, "9")):
        told = report("mine", 0.7, {"naive": 2e-4, "full": 2e-4})
        told["arms"]["full"]["settings"]["finetune"]["contrast"] = {"weight": weight}
        put(store, name * 16, f"2026-02-0{1 + (name == '9')}T10:00", told)
    assert cli.main(verbs.build(), ["compare", "1", "eeee", "--store", str(store)]) == 0
    assert "contrast" not in capsys.readouterr().out
    assert cli.main(verbs.build(), ["compare", "1", "9999", "--store", str(store)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "full: finetune.contrast.weight 0.0 0.1" in lines
    assert cli.main(verbs.build(), ["history", "--store", str(store)]) == 0
    assert capsys.readouterr().out.count("finetune.contrast.weight: 0.0 → 0.1 (full)") == 1


def test_an_arm_that_is_gone(store: Path) -> None:
    now = report("mine", 0.7, {"naive": 1e-4, "full": 1e-4})
    before = copy.deepcopy(now)
    del now["arms"]["naive"]
    assert history.differences(before, now, {}) == ["arm naive: gone"]
