"""The benchmark runs, and counts right. How fast anything is, no test asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import __main__ as program
from tests.benchmarks import arithmetic, measured, rounds, tables
from tests.benchmarks.arithmetic import Count, Shape
from tests.benchmarks.cases import BY_SLUG, CASES, MAKE_ALL

SHAPE = Shape(layers=3, hidden=2, intermediate=4, vocabulary=10)
LAYER, KEYS, REST = 2 * 32, 2 * 8, 2 * 24  # 4 x 2 x 2 + 2 x 2 x 4 weights; keys and values; query, output, feed-forward


def run(cpu: float, *, recall: float | None = None, peak: float = 100.0) -> dict[str, Any]:
    cost = {"cpu_seconds": cpu, "wall_seconds": 2 * cpu, "peak_mb": peak, "own_mb": 50.0}
    return {**cost, "tokens": 60, "rate": 100.0, "updates": 7, "dev_macro_recall": recall}


def test_of_the_last_layer_all_tokens_need_keys_and_values_at_most() -> None:
    assert arithmetic.passes(SHAPE, tokens=5, read=1, first=0, end=2) == 2 * 5 * LAYER
    assert arithmetic.passes(SHAPE, tokens=5, read=1, first=2, end=3) == 5 * KEYS + 1 * REST
    assert arithmetic.passes(SHAPE, tokens=5, read=1, first=2, end=3, alone=True) == LAYER
    assert arithmetic.passes(SHAPE, tokens=5, read=5, first=0, end=3) == 3 * 5 * LAYER


def test_frozen_layers_count_once_and_others_in_each_epoch() -> None:
    train, dev = Count(rows=2, tokens=10), Count(rows=1, tokens=4)
    assert arithmetic.labelling_operations(SHAPE, Count(rows=1, tokens=5)) == 2 * 5 * LAYER + LAYER + 8
    above = {10: 2 * (LAYER + 8), 4: LAYER + 8}  # 8: the pooler
    frozen = arithmetic.tune_operations(SHAPE, 2, 5, train, dev)
    assert frozen == 2 * 14 * LAYER + 5 * (3 * above[10] + above[4])
    everything = arithmetic.tune_operations(SHAPE, 0, 5, train, dev)
    assert everything == 5 * (3 * (2 * 10 * LAYER + above[10]) + 2 * 4 * LAYER + above[4])


def test_logits_count_where_something_is_predicted() -> None:
    head = 2 * 2 * (2 + 10)
    assert arithmetic.pairs_operations(SHAPE, Count(3, 12)) == 2 * 12 * LAYER + 3 * (LAYER + head)
    read = 0.15 * (12 - 2 * 1)
    one = 2 * 12 * LAYER + 12 * KEYS + read * (REST + head)
    assert arithmetic.dapt_operations(SHAPE, 2, Count(1, 12), Count(0, 0)) == pytest.approx(2 * 3 * one)


def test_medians_and_ratios() -> None:
    runs = {
        "ours": [run(1.0, recall=0.5), run(4.0, recall=0.6), run(2.0, recall=0.7, peak=120.0)],
        "a": [run(8.0, recall=0.5), run(6.0, recall=0.5), run(90.0, recall=0.5)],
    }
    found = arithmetic.summary(runs, operations=50.0)
    assert (found["ours_cpu_seconds"], found["peer_a_cpu_seconds"], found["peer_b_cpu_seconds"]) == (2.0, 8.0, None)
    assert (found["ratio_a"], found["ratio_b"]) == (4.0, None)
    assert found["recall_ours_less_a"] == {"mean": pytest.approx(0.1), "error": pytest.approx(0.1 / 3**0.5)}
    ours = found["sides"]["ours"]
    assert ours["cpu_seconds"] == {"median": 2.0, "low": 1.0, "high": 4.0}
    assert ours["wall_seconds"] == {"median": 4.0, "low": 2.0, "high": 8.0}
    assert (ours["peak_mb"], ours["tokens_per_cpu_second"], ours["share_of_rate"]) == (120.0, 30.0, 0.25)


def test_a_straight_line() -> None:
    assert arithmetic.line([1000, 2000, 4000], [3.0, 5.0, 9.0]) == {
        "seconds_per_1000_tokens": pytest.approx(2.0),
        "seconds_at_0": pytest.approx(1.0),
        "furthest_off": pytest.approx(0.0),
    }
    bent = arithmetic.line([0, 1000, 2000], [1.0, 1.0, 4.0])  # the line is 0.5 + 1.5 x
    assert bent["furthest_off"] == pytest.approx(1.0)


def test_every_side_comes_first_in_turn() -> None:
    assert [rounds.turned(("ours", "a", "b"), number)[0] for number in range(4)] == ["ours", "a", "b", "ours"]


def test_cases_have_names_of_their_own_and_a_side_for_each_task() -> None:
    assert len(BY_SLUG) == len(CASES) + 2
    assert all((case.task, side) in measured.SIDES for case in BY_SLUG.values() for side in case.sides)


def test_a_quick_run_of_all_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def here(folder: Path, _threads: int, **asked: Any) -> dict[str, Any]:  # a process each would take three times this
        return measured.answer(folder, json.loads(json.dumps(asked)))

    monkeypatch.setattr(rounds, "child", here)
    found = list(
        program.run(
            ["tune-half-frozen", "predict", "tokenise", "prepare"], rounds.Options(rounds=1, **program.QUICK), print
        )
    )
    out = tmp_path / "deep" / "bench.json"
    program.write(out, found[1:])
    program.write(out, found)
    kept = json.loads(out.read_text(encoding="utf-8"))
    assert [record["name"] for record in kept] == ["tune, half frozen", "predict", "tokenise", "prepare"]
    assert "microseconds a row of 384: ours " in tables.notes([kept.pop()])[0]
    assert set(kept.pop(1)["sides"]) == {"ours", "a"}
    for record in kept:
        for peer in ("a", "b"):
            ratio = record[f"peer_{peer}_cpu_seconds"] / record["ours_cpu_seconds"]
            assert record[f"ratio_{peer}"] == pytest.approx(ratio)
        assert set(record["sides"]) == {"ours", "a", "b"}
        assert all(told["cpu_seconds"]["low"] > 0 for told in record["sides"].values())
    assert {told["updates"] for told in kept[0]["sides"].values()} == {3}  # 24 texts in batches of 8, on all sides
    assert "| tune, half frozen | ours |" in tables.markdown(kept)
    assert tables.terminal(kept).row_count == 6


def test_what_one_row_costs_is_told() -> None:
    runs = {side: [run(cpu) for cpu in (1.0, 2.0, 4.0)] for side in ("ours", "a")}
    record = arithmetic.summary(runs, operations=0.0) | {"name": "overhead", "per": "task", "rows": 100}
    record |= {"a": "another", "b": None, "skipped": [], "texts": 100, "source": "made up", "epochs": 1, "rounds": 3}
    (note,) = tables.notes([record])
    told = "20,000 (10,000-40,000) CPU, 40,000 (20,000-80,000) wall"
    assert f"a: another; microseconds a task of 100: ours {told}; a {told}; 100 texts" in note


def test_tasks_of_nothing_are_all_done(tmp_path: Path) -> None:
    spec = {"task": "tasks", "side": "ours", "counts": {"tasks": {"rows": 9, "tokens": 0}}, "frozen": 0, "seed": 0}
    rest = {"epochs": 1, "batch_size": 8, "precision": "fp32", "max_length": 64}
    assert rounds.child(tmp_path, 1, spec=spec | rest, shape=[2, 32, 64])["wall_seconds"] > 0


def test_another_version_tells_its_own_story(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    told = tmp_path / "told.json"
    (tmp_path / "stages" / "__main__.py").write_text(
        f"import json, os, sys; json.dump([sys.argv[1:3], 'OMP_NUM_THREADS' in os.environ], open({str(told)!r}, 'w'))"
    )
    rest = {"epochs": 1, "batch_size": 8, "precision": "fp32", "seed": 0, "max_length": 64, "frozen": 0}
    spec = {"task": "all", "side": "a", "counts": {}, "checkout": str(tmp_path), **rest}
    rounds.child(tmp_path, 1, spec=spec, shape=[2, 32, 64])
    assert json.loads(told.read_text(encoding="utf-8")) == [["run", "--store"], False]
    assert rounds.missing(MAKE_ALL, rounds.Options(against=str(tmp_path))) is None
    assert "--against" in str(rounds.missing(MAKE_ALL, rounds.Options()))


def test_a_process_of_its_own_answers_or_says_why_not(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="KeyError: 'spec'"):
        rounds.child(tmp_path, 1, nonsense=True)
