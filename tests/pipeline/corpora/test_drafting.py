"""Drafts of cards: what a look at columns and values can tell, and questions for the rest."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest

from pipeline.common.errors import InputError
from pipeline.corpora import drafting
from pipeline.corpora.cards import load_card
from pipeline.corpora.corpus import Limits, read_corpus
from pipeline.corpora.drafting import draft_card

TEXTS = [f"the {word} kettle I bought was number {n} of its kind" for n in range(30) for word in ("old", "new", "red")]


def write(path: Path, labels: list[str], sep: str = ",", header: tuple[str, ...] = ("id", "review", "stars")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, delimiter=sep)
        table.writerow(header)
        table.writerows((n, text, labels[n % len(labels)]) for n, text in enumerate(TEXTS))
    return path


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["1", "2", "3", "4", "5"], {"1": 0, "2": 0, "3": 1, "4": 2, "5": 2}),
        (["1.0", "3.0", "5.0"], {"1.0": 0, "3.0": 1, "5.0": 2}),
        (["1 star", "3 stars", "5 stars"], {"1 star": 0, "3 stars": 1, "5 stars": 2}),
        (["★", "★★★☆☆", "★★★★★"], {"★": 0, "★★★☆☆": 1, "★★★★★": 2}),
        (["-1", "0", "1"], {"-1": 0, "0": 1, "1": 2}),
        (["Bad", "ok", "GOOD"], {"Bad": 0, "ok": 1, "GOOD": 2}),
        (["neg", "neutral", "pos"], {"neg": 0, "neutral": 1, "pos": 2}),
    ],
)
@pytest.mark.parametrize("sep", [",", ";", "\t"])
def test_known_scales_and_words_need_no_answer(
    tmp_path: Path, labels: list[str], classes: dict[str, int], sep: str
) -> None:
    name = "My Shop.tsv" if sep == "\t" else "My Shop.csv"
    folder = draft_card(write(tmp_path / name, labels, sep), tmp_path / "cards")
    assert folder == tmp_path / "cards" / "my-shop"
    card = load_card(folder)
    assert (card.role, card.classes) == ("reviews", classes)
    assert card.columns == {"text": "review", "label": "stars"}
    assert len(read_corpus(card, Limits()).splits["train"]) == len(TEXTS)
    assert "## Questions" not in (folder / "README.md").read_text()


def test_what_is_not_known_is_asked_and_refused_until_answered(tmp_path: Path) -> None:
    folder = draft_card(write(tmp_path / "shop.csv", ["furious", "good", "great"]), tmp_path)
    text = (folder / "README.md").read_text()
    assert "labels.negative: which values of stars mean negative? There are: furious (30 rows), good (30 rows)" in text
    with pytest.raises(InputError, match=r"card shop: retone.labels.negative is still a question"):
        load_card(folder)
    answered = text.replace("negative: ['?']", "negative: [furious]").replace("neutral: ['?']", "neutral: [meh]")
    (folder / "README.md").write_text(answered)
    assert load_card(folder).classes == {"furious": 0, "meh": 1, "good": 2, "great": 2}


def test_a_value_left_over_is_asked_about(tmp_path: Path) -> None:
    folder = draft_card(write(tmp_path / "shop.csv", ["bad", "ok", "good", "spam"]), tmp_path)
    assert "where does spam belong?" in (folder / "README.md").read_text()
    with pytest.raises(InputError, match=r"retone\.labels.neutral is still a question"):
        load_card(folder)


def test_a_class_with_too_few_rows_is_asked_about(tmp_path: Path) -> None:
    folder = draft_card(
        write(tmp_path / "shop.csv", ["awful"] * 5 + ["fine"] * 5 + ["awesome"] * 5 + ["love"]), tmp_path
    )
    assert "labels." not in (folder / "README.md").read_text()
    folder = draft_card(write(tmp_path / "kiosk.csv", ["bad"] * 50 + ["good"] * 38 + ["ok"] * 2), tmp_path)
    text = (folder / "README.md").read_text()
    assert "- labels.neutral: only 2 rows, and a run needs 10 of each class; can you add some?" in text


def test_roles_by_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "posts.txt").write_text("\n".join(TEXTS))
    (tmp_path / "wiki.jsonl.gz").write_bytes(gzip.compress(json.dumps({"title": "A", "text": "word " * 200}).encode()))
    (tmp_path / "pairs.json").write_text(
        json.dumps([{"UID": "x", "sentence_good": "It is.", "sentence_bad": "It are."}])
    )
    found = {
        name: load_card(draft_card(tmp_path / name, tmp_path / "cards"))
        for name in ("posts.txt", "wiki.jsonl.gz", "pairs.json")
    }
    assert [card.role for card in found.values()] == ["informal", "general", "pairs"]
    assert found["pairs.json"].columns == {"good": "sentence_good", "bad": "sentence_bad", "phenomenon": "UID"}


def test_no_text_column_is_asked_about(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,n\n1,2\n3,4\n")
    folder = draft_card(tmp_path / "a.csv", tmp_path)
    assert "which column holds the text, of id, n?" in (folder / "README.md").read_text()
    with pytest.raises(InputError, match=r"retone\.role is still a question"):
        load_card(folder)


def test_encoding_and_loose_quotes_are_found_out(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_bytes(("text,stars\n" + "\n".join(f'"caf\u00e9 no {n},{n % 5 + 1}' for n in range(60))).encode("cp1252"))
    card = load_card(draft_card(path, tmp_path))
    assert (card.reading.encoding, card.reading.quoting) == ("cp1252", 3)
    assert read_corpus(card, Limits()).splits["train"][0].text == '"café no 0'


def test_nothing_is_overwritten_and_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    path = write(tmp_path / "shop.csv", ["1", "3", "5"])
    draft_card(path, tmp_path / "cards")
    with pytest.raises(InputError, match="is there already, and is never overwritten"):
        draft_card(path, tmp_path / "cards")
    (tmp_path / "ragged.csv").write_text("text,stars\na,1\nb\n")
    with pytest.raises(InputError, match=r"ragged.csv, row 2 \(line 3\)"):
        draft_card(tmp_path / "ragged.csv", tmp_path / "cards")
    with pytest.raises(InputError, match="no such file"):
        draft_card(tmp_path / "nothing.csv", tmp_path / "cards")
    (tmp_path / "empty.csv").write_text("text,stars\n")
    with pytest.raises(InputError, match="no rows"):
        draft_card(tmp_path / "empty.csv", tmp_path / "cards")
    assert [folder.name for folder in (tmp_path / "cards").iterdir()] == ["shop"]


def test_a_large_file_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafting, "COPIED_BYTES", 100)
    folder = draft_card(write(tmp_path / "shop.csv", ["1", "3", "5"]), tmp_path / "cards")
    assert [path.name for path in folder.iterdir()] == ["README.md"]
    assert "was not copied: run with `--data-root`" in (folder / "README.md").read_text()
    assert len(read_corpus(load_card(folder, tmp_path), Limits()).splits["train"]) == len(TEXTS)


@pytest.mark.parametrize(("name", "says"), [("a.pdf", "no format is known by the name a.pdf"), ("a.zip", "not opened")])
def test_a_file_of_no_known_format_is_one_line(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / name).write_text("text\na\n")
    with pytest.raises(InputError, match=says):
        draft_card(tmp_path / name, tmp_path / "cards")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Ganz okay, aber nichts Besonderes für den Preis, Nummer {}", "de"),
        ("Доставка поздно, чай хороший {}", "ru"),
        ("质量很差 两天就坏了 {}", "zh"),
        ("The tea is good and it was on time {}", "en"),
        ("Tee {} Kanne", "en"),  # nobody can tell
    ],
)
def test_a_draft_says_the_language_of_most_texts(text: str, code: str, tmp_path: Path) -> None:
    rows = [f'"{text.format(index)}",{index % 5 + 1}' for index in range(40)]
    (tmp_path / "shop.csv").write_text("\n".join(["body,stars", *rows]) + "\n", encoding="utf-8")
    card = (draft_card(tmp_path / "shop.csv", tmp_path / "cards") / "README.md").read_text(encoding="utf-8")
    assert f"\nlanguage: {code}\n" in card
    assert ("most texts look like" in card) == (code != "en")
