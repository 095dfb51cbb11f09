import json
import math
from pathlib import Path

import pytest

from pipeline.common.errors import InputError
from pipeline.measuring.runs import evaluated
from pipeline.measuring.statistics.ladder import Draws
from tests import toy_measures, toy_runs

DRAWS = Draws(300, 0)


def folders(root: Path, toy: toy_runs.Toy) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for run, folder in toy_runs.write(root, toy)["evaluate"].items():
        found.setdefault(run.arm, []).append(folder)
    return found


def value(measured: evaluated.Measured) -> float:
    return float(measured.statistic(measured.contributions.sum(axis=0)).mean())


def test_kept_by_hand(tmp_path: Path) -> None:
    arms = folders(tmp_path, toy_runs.Toy(seeds=(0, 1)))
    found = evaluated.kept(arms, "tuned", DRAWS)
    # seed 1 loses 0.01 nats more than seed 0
    mean = (math.exp(-0.35) + math.exp(-0.36)) / 2
    assert value(found["full"]["masked", "encyclopedia"]) == pytest.approx(mean)
    assert value(found["full"]["pairs", "pairs"]) == pytest.approx((0.74 - 0.5) / (0.8 - 0.5))


def test_probes_are_held_against_the_first_arm_sentence_by_sentence(tmp_path: Path) -> None:
    def put(arm: str, right: dict[str, int]) -> Path:
        rows = [{"id": name, "shuffled_bigram": [2, n], "length": [1, n // 2]} for name, n in right.items()]
        toy_measures.put_rows(tmp_path / arm / "retention" / "probes_tuned.jsonl", rows)
        return tmp_path / arm

    first = put("naive", {"a": 0, "b": 2, "c": 2})
    apart = evaluated.probes_beside(put("full", {"a": 2, "b": 1, "c": 2, "more": 0}), first, DRAWS)
    assert [figure["value"] for figure in apart["shuffled_bigram"]] == pytest.approx([0, (1 - 0.5) / 3])
    assert [figure["value"] for figure in apart["length"]] == pytest.approx([0, (1 - 1) / 3])
    assert [figure["n"] for figure in apart["length"]] == [3, 3]
    assert evaluated.probes_beside(first, first, DRAWS) == evaluated.probes_beside(tmp_path, first, DRAWS) == {}


def test_levels_that_differ_by_seed_are_averaged(tmp_path: Path) -> None:
    arms = folders(tmp_path, toy_runs.Toy(seeds=(0, 1)))
    kept = {"tuned": evaluated.kept(arms, "tuned", DRAWS)["naive"]}
    found = evaluated.levels(arms["naive"], kept, DRAWS)["tuned"]
    masked = found["masked"]["encyclopedia"]
    assert masked["loss"]["value"] == pytest.approx(2.0 + 0.9 + 0.005)
    assert masked["loss_full"]["value"] == pytest.approx(2.905 + 0.1)  # 1 nat more on 10 pieces
    assert masked["bits_per_byte"]["value"] == pytest.approx(30.05 / math.log(2) / 48)
    assert masked["accuracy"]["value"] == pytest.approx(0.4)
    assert masked["loss"]["n"] == toy_runs.DOCUMENTS
    assert found["pairs"]["pairs"]["accuracy"]["value"] == pytest.approx(0.62)
    assert found["kept"]["masked"]["encyclopedia"]["value"] == pytest.approx((math.exp(-0.9) + math.exp(-0.91)) / 2)


def test_what_all_seeds_share_is_taken_as_evaluate_wrote_it(tmp_path: Path) -> None:
    arms = folders(tmp_path, toy_runs.Toy(seeds=(0, 1)))
    told = json.loads((arms["full"][0] / "retention.json").read_text())
    kept = {"adapted": evaluated.kept(arms, "adapted", DRAWS)["full"]}
    found = evaluated.levels(arms["full"], kept, DRAWS)
    assert found["base"]["masked"] == told["models"]["base"]["masked"]
    assert found["base"]["kept"] == {"masked": {}, "pairs": {}}
    assert found["adapted"]["kept"] == told["scores"]["base_to_adapted"]


def test_pairs_at_chance_have_nothing_to_keep(tmp_path: Path) -> None:
    arms = folders(tmp_path, toy_runs.Toy())
    for folder in (folder for folders_ in arms.values() for folder in folders_):
        path = folder / "retention" / "pairs_base.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for place, row in enumerate(rows):
            row["bad"] = -21.0 if place % 2 else -19.0
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert ("pairs", "pairs") not in evaluated.kept(arms, "tuned", DRAWS)["full"]


def test_by_phenomenon_by_hand(tmp_path: Path) -> None:
    found = evaluated.by_phenomenon(folders(tmp_path, toy_runs.Toy()))["pairs"]
    assert len(found) == 10
    assert {kind: told["n"] for kind, told in found.items()} == {f"agreement {place}": 20 for place in range(10)}
    total = {who: sum(told[who] for told in found.values()) for who in ("base", "naive", "full")}
    assert total == {"base": 160.0, "naive": 124.0, "full": 148.0}


def test_what_tuning_alone_kept(tmp_path: Path) -> None:
    arms = folders(tmp_path, toy_runs.Toy())
    found = evaluated.kept(arms, "tuned", DRAWS, of="adapted")["full"]
    assert value(found["masked", "encyclopedia"]) == pytest.approx(math.exp(-0.35 * 2 / 3))
    kept = {"of_adapted": evaluated.kept(arms, "tuned", DRAWS, of="adapted")["full"]}
    told = evaluated.levels(arms["full"], kept, DRAWS)["tuned"]["of_adapted"]
    assert told["masked"]["encyclopedia"]["value"] == pytest.approx(math.exp(-0.35 * 2 / 3))


def test_without_general_corpora_nothing_is_kept_or_lost(tmp_path: Path) -> None:
    arms = folders(tmp_path, toy_runs.Toy(general=False))
    assert evaluated.kept(arms, "tuned", DRAWS) == {arm: {} for arm in arms}
    assert evaluated.levels(arms["full"], {}, DRAWS)["base"] == {
        "masked": {},
        "pairs": {},
        "kept": {"masked": {}, "pairs": {}},
    }


def test_only_texts_that_all_arms_were_tested_on_are_compared(tmp_path: Path) -> None:
    arms = folders(tmp_path, toy_runs.Toy())
    path = arms["full"][0] / "predictions" / "starter-reviews.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[5:]))
    rows = evaluated.predictions(arms)["starter-reviews"]
    assert {len(seed) for seeds in rows.values() for seed in seeds} == {295}
    floor = evaluated.floor(arms["full"][0], "features", "starter-reviews", rows["naive"][0])
    assert [row["id"] for row in floor] == [row["id"] for row in rows["full"][0]]


def test_arms_with_other_test_texts_are_refused(tmp_path: Path) -> None:
    arms = folders(tmp_path, toy_runs.Toy())
    path = arms["full"][0] / "predictions" / "starter-reviews.jsonl"
    path.write_text(path.read_text().replace("starter-reviews:", "other:"))
    with pytest.raises(InputError, match="no test texts of starter-reviews in common"):
        evaluated.predictions(arms)
