"""Reading prepared rows: every row is tested in one fold, and stands on one side in each."""

from __future__ import annotations

from pathlib import Path

from pipeline.common.files import write_json, write_jsonl
from pipeline.corpora import prepared
from pipeline.corpora.splits import split_of


def _write(out: Path) -> None:
    counts = {"shop": {"train": 12, "dev": 6, "test": 6}, "given": {"train": 1, "dev": 1, "test": 1}}
    described = {
        name: {"role": "reviews", "folds": folds, "splits": counts[name], "dropped": {}}
        for name, folds in (("shop", 4), ("given", 1))
    }
    write_json(out / "corpora.json", described)
    rows = [{"id": f"shop:{n}", "text": str(n), "label": n % 3, "fold": n % 4} for n in range(24)]
    for split in ("train", "dev", "test"):
        here = [row for row in rows if split_of(int(str(row["fold"])), 0, 4) == split]
        write_jsonl(out / "texts" / "shop" / f"{split}.jsonl", here)
        write_jsonl(out / "texts" / "given" / f"{split}.jsonl", [{"id": f"given:{split}", "text": split, "label": 0}])


def test_folds_partition_the_rows(tmp_path: Path) -> None:
    _write(tmp_path)
    sides = ("train", "dev", "test")
    found = [{side: prepared.corpus_rows(tmp_path, "shop", side, fold) for side in sides} for fold in range(4)]
    tested = [row["id"] for fold in found for row in fold["test"]]
    assert sorted(tested) == sorted(f"shop:{n}" for n in range(24))
    for fold in found:
        assert sorted(len(rows) for rows in fold.values()) == [6, 6, 12]
        assert len({row["id"] for rows in fold.values() for row in rows}) == 24
    assert prepared.folds_of(tmp_path, "shop") == 4


def test_people_are_told_of_which_fold_counts_are(tmp_path: Path) -> None:
    _write(tmp_path)
    shop, given = prepared.told(tmp_path)
    assert (shop, given) == ("shop, fold 0 of 4: 12 train, 6 dev, 6 test", "given: 1 train, 1 dev, 1 test")


def test_a_given_split_is_the_same_in_every_fold(tmp_path: Path) -> None:
    _write(tmp_path)
    assert [row["id"] for row in prepared.rows(tmp_path, role="reviews", split="dev", fold=3)][-1] == "given:dev"
    given = [list(prepared.corpus_rows(tmp_path, "given", "test", fold)) for fold in (0, 2)]
    assert given == [[{"id": "given:test", "text": "test", "label": 0}]] * 2
