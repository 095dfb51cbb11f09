"""The ladder on real text: long, so it is run by hand (`make acceptance`), and skipped where the corpora are absent.

What it shows is asserted claim by claim; the figures themselves are in the report, under artifacts/acceptance/latest.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
STORE = ROOT / "artifacts" / "acceptance"
CORPORA = ("tweet-sentiment", "reviews-airline")

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the real corpora (../shared/data) are not here"),
]


def articles(raw: str) -> list[str]:
    """WikiText's test file as articles: cut at top headings, headings dropped, token spacing undone."""
    parts = re.split(r"^ = [^=].* = $", raw, flags=re.MULTILINE)[1:]
    plain = [re.sub(r"^ =.*= $", "", part, flags=re.MULTILINE) for part in parts]
    for pattern, text in ((r" @(.)@ ", r"\1"), (r" ([.,;:!?%)\]'])", r"\1"), (r"([(\[$]) ", r"\1"), (r"\s+", " ")):
        plain = [re.sub(pattern, text, part) for part in plain]
    return [part.strip() for part in plain if part.strip()]


def data_root(folder: Path) -> Path:
    """A folder with copies of the corpora's files as the cards name them, WikiText as one article a row."""
    for card in sorted((ROOT / "tests" / "acceptance" / "cards").glob("*/README.md")):
        for name in re.findall(r"\b\w+/[\w.]+\.(?:csv|gz|jsonl)\b", card.read_text(encoding="utf-8")):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.write_bytes((SHARED / "data" / name).read_bytes())
    raw = (SHARED / "data" / "general_wikitext2" / "wiki.test.raw").read_text(encoding="utf-8")
    rows = [json.dumps({"text": text}, ensure_ascii=False) for text in articles(raw)]
    (folder / "wikitext2.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_wikitext_articles() -> None:
    raw = " = A = \n\n = = B = = \n\n The well @-@ known cat , 1 @,@ 000 of them ( two ) .\n = C = \n Dog 's .\n"
    assert articles(raw) == ["The well-known cat, 1,000 of them (two).", "Dog's."]


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """The report of the whole ladder; what an earlier run has made is reused."""
    STORE.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "stages", "run", "--recipe", "tests/acceptance/recipe.yaml"]
    command += ["--data-root", str(data_root(STORE / "data")), "--store", str(STORE)]
    subprocess.run(command, cwd=ROOT, check=True)
    return dict(json.loads((STORE / "latest" / "report.json").read_text(encoding="utf-8")))


def _verdict(report: dict[str, Any], question: str, measure: str, place: str) -> dict[str, Any]:
    return next(
        verdict
        for verdict in report["verdicts"]
        if (verdict["question"], verdict["measure"], verdict["place"], verdict["arm"])
        == (question, measure, place, "full")
    )


def test_the_audit_finds_the_leaks_that_are_there(report: dict[str, Any]) -> None:
    dropped = report["corpora"]["tweet-sentiment"]["dropped"]
    assert sum(count for reason, count in dropped.items() if "leak" in reason or "duplicate" in reason) >= 1995
    assert sum(count for reason, count in dropped.items() if "conflict" in reason) >= 104


def test_emoji_are_seen(report: dict[str, Any]) -> None:
    for corpus in CORPORA:
        seen = report["coverage"]["full"]["corpora"][corpus]
        assert seen["before"]["unk_rate_emoji_texts"] > 0.98
        assert seen["after"]["unk_rate_emoji_texts"] < 0.01


def test_every_estimate_has_its_interval(report: dict[str, Any]) -> None:
    for rung in report["ladder"]:
        for corpus in CORPORA:
            for measure in ("macro_recall", "accuracy", "macro_f1"):
                estimate = rung["scores"][corpus][measure]
                assert estimate["low"] < estimate["value"] < estimate["high"]


@pytest.mark.parametrize("corpus", CORPORA)
def test_full_is_not_worse_than_naive(report: dict[str, Any], corpus: str) -> None:
    assert _verdict(report, "overall", "macro_recall", corpus)["verdict"] != "worse"


MISSED = pytest.mark.xfail(reason="not even naive is told apart from the floor there, see docs/results.md", strict=True)


@pytest.mark.parametrize("corpus", ["tweet-sentiment", pytest.param("reviews-airline", marks=MISSED)])
def test_full_beats_the_floor(report: dict[str, Any], corpus: str) -> None:
    assert _verdict(report, "floor", "macro_recall", corpus)["verdict"] == "better"


def test_full_keeps_more_general_english_than_naive(report: dict[str, Any]) -> None:
    assert _verdict(report, "overall", "masked", "general-wikitext2")["verdict"] == "better"
