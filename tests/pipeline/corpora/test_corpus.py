"""From card to rows: labels mapped, drops counted, bad rows named before anything is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.common.errors import InputError
from pipeline.corpora import corpus
from pipeline.corpora.audit import audit
from pipeline.corpora.cards import load_card
from pipeline.corpora.corpus import Corpus, Limits, label_as_written, read_corpus
from tests.cards import write_card, write_reviews


def read(folder: Path, **limits: int) -> Corpus:
    return read_corpus(load_card(folder), Limits(**limits))


def refused(folder: Path, **limits: int) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, **limits)
    return str(caught.value)


def append(folder: Path, *rows: str) -> Path:
    with (folder / "reviews.csv").open("a", encoding="utf-8") as file:
        file.writelines(row + "\n" for row in rows)
    return folder


def test_rows_are_normalised_labelled_and_dropped_with_a_reason(tmp_path: Path) -> None:
    folder = write_reviews(tmp_path / "shop")
    card = folder / "README.md"
    card.write_text(card.read_text().replace("retone: {", "retone: {drop: [0], "))
    append(folder, "so gooood &amp; cheap 😂, 5 ", '" ",4', "gone,0", "\x07,0", f"{'long ' * 30},1")
    corpus = read(folder, max_review_characters=100)
    last = corpus.splits["train"][-1]
    assert (last.id, last.text, last.label) == ("shop:reviews.csv:31", "so goood & cheap 😂", 2)
    assert last.raw == "so gooood &amp; cheap 😂"
    assert dict(corpus.dropped) == {"empty": 2, "dropped label": 1, "too long": 1}
    assert [text.label for text in corpus.splits["train"][:30:10]] == [0, 1, 2]


def test_texts_that_look_like_other_things_stay_texts(tmp_path: Path) -> None:
    folder = append(write_reviews(tmp_path / "shop"), "NA,5", "null,5", "007,5", "=cmd()|x,5", "<script>,5")
    assert [text.text for text in read(folder).splits["train"][-5:]] == ["NA", "null", "007", "=cmd()|x", "<script>"]


def test_one_unknown_label_is_one_line(tmp_path: Path) -> None:
    folder = append(write_reviews(tmp_path / "shop"), "a,6", "b,6")
    assert refused(folder) == (
        "card shop: 2 rows have label 6, which belongs to no class; add it under labels "
        "(first: reviews.csv, row 31; reviews.csv, row 32)"
    )


def test_a_label_cannot_command_the_terminal(tmp_path: Path) -> None:
    assert "label \ufffd[31mred" in refused(append(write_reviews(tmp_path / "shop"), "a,\x1b[31mred"))


def test_all_unknown_labels_are_listed_commonest_first(tmp_path: Path) -> None:
    folder = append(write_reviews(tmp_path / "shop"), "a,angry", "b,", "c,5.0", "d,angry", "e,angry", "f,angry")
    head, *table = refused(folder).splitlines()
    assert head.startswith("card shop: 6 rows have labels that belong to no class")
    assert table == [
        "  4 rows have label angry (first: reviews.csv, row 31; reviews.csv, row 34; reviews.csv, row 35)",
        "  1 row has no label (an empty field) (first: reviews.csv, row 32)",
        "  1 row has label 5.0, the card has 5 (first: reviews.csv, row 33)",
    ]


def test_case_counts_and_the_near_value_is_named(tmp_path: Path) -> None:
    words = "role: reviews, labels: {negative: bad, neutral: ok, positive: good}"
    folder = write_card(tmp_path / "shop", "reviews.csv", words)
    rows = [f"text {n} {label},{label}" for n in range(10) for label in ("bad", "ok", "good")]
    (folder / "reviews.csv").write_text("\n".join(["text,label", *rows, "x,Good"]), encoding="utf-8")
    assert "1 row has label Good" in refused(folder)
    assert "the card has good" in refused(folder)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        (float("nan"), ""),
        (5.0, "5"),
        (0.5, "0.5"),
        (3, "3"),
        (True, "true"),
        (" neg ", "neg"),
        ("5.0", "5.0"),
    ],
)
def test_labels_are_compared_as_the_card_writes_them(value: object, written: str) -> None:
    assert label_as_written(value) == written


@pytest.mark.parametrize("content", ["", "text,stars\n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: str) -> None:
    folder = write_reviews(tmp_path / "shop")
    (folder / "reviews.csv").write_text(content)
    assert refused(folder) == "card shop, reviews.csv: no rows; the file is empty or holds only its header"


def test_a_missing_column_names_those_there_are(tmp_path: Path) -> None:
    folder = write_reviews(tmp_path / "shop")
    path = folder / "README.md"
    path.write_text(path.read_text().replace("label: stars", "label: star"))
    message = refused(folder)
    assert message.endswith("no column star; write the right one under retone.columns.label, did you mean stars?")


def test_a_small_class_is_refused(tmp_path: Path) -> None:
    folder = write_reviews(tmp_path / "shop")
    path = folder / "reviews.csv"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if "plain" not in line or "8" in line))
    assert refused(folder) == "card shop: class neutral has 1 row, needs 10; add some"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('"a\\u0000b"', "row 1: a NUL character"),
        ('"so \\ud83d"', "row 1: half an emoji (a lone surrogate) at character 3"),
        ("true", "row 1: a bool where a text belongs"),
        ('{"a": 1}', "row 1: a dict where a text belongs"),
        ('"' + "a" * 5_000_000 + '"', "row 1: one text of 5,000,000 characters"),
    ],
)
def test_a_text_that_cannot_be_one_is_refused(tmp_path: Path, value: str, message: str) -> None:
    folder = write_card(tmp_path / "posts", "a.jsonl", "role: informal")
    (folder / "a.jsonl").write_text(f'{{"text": {value}}}\n')
    assert refused(folder).startswith(f"card posts, a.jsonl, {message}")


def test_a_text_that_is_missing_is_dropped_as_empty(tmp_path: Path) -> None:
    folder = write_card(tmp_path / "posts", "a.jsonl", "role: informal")
    (folder / "a.jsonl").write_text('{"text": NaN}\n{"text": null}\n{"text": 5}\n')
    found = read(folder)
    assert [text.raw for text in found.splits["train"]] == ["5"]
    assert found.dropped == {"empty": 2}


def test_a_text_of_five_megabytes_in_a_csv(tmp_path: Path) -> None:
    assert "row 31: one text of 5,000,000" in refused(append(write_reviews(tmp_path / "shop"), f"{'a' * 5_000_000},5"))


def test_pairs_and_documents(tmp_path: Path) -> None:
    folder = write_card(tmp_path / "pairs", "a.jsonl", "role: pairs, columns: {phenomenon: UID}")
    rows = [{"good": "It is.", "bad": "It are.", "UID": "agreement"}, {"good": "So.", "bad": "So.", "UID": "agreement"}]
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    corpus = read(folder)
    assert [(pair.id, pair.good, pair.bad, pair.phenomenon) for pair in corpus.pairs] == [
        ("pairs:a.jsonl:1", "It is.", "It are.", "agreement")
    ]
    assert dict(corpus.dropped) == {"no difference": 1}
    folder = write_card(tmp_path / "general", "a.txt", "role: general")
    (folder / "a.txt").write_text("XIIII men met @user 1 @,@ 000 times " + "x " * 50_000 + "\n")
    (document,) = read(folder).splits["train"]
    assert document.text.startswith("XIIII men met @user 1,000 times x x")
    assert len(document.text) > 100_000


def test_files_of_the_same_name_keep_their_folders_in_the_ids(tmp_path: Path) -> None:
    folder = write_card(tmp_path / "posts", "['a/x.txt', 'b/x.txt']", "role: informal")
    for part in ("a", "b"):
        (folder / part).mkdir()
        (folder / part / "x.txt").write_text(f"post {part}\n")
    assert [text.id for text in read(folder).splits["train"]] == ["posts:a/x.txt:1", "posts:b/x.txt:1"]


def test_damage_and_what_stays_unknown_are_counted_by_kind(tmp_path: Path) -> None:
    folder = write_reviews(tmp_path / "shop")
    with (folder / "reviews.csv").open("a") as file:
        file.write("fine &amp; dandy<br>really,5\nfine &amp; :joy:,5\nso :party_parrot: ★,1\n")
    found = read_corpus(load_card(folder), Limits())
    assert found.mended == {"HTML entities": 2, "HTML tags": 1, "shortcodes": 1}
    assert found.unknown == {"shortcodes": 1, "symbols": 1}
    told = audit([found], 0.8)
    assert told["mended"] == {"shop": {"HTML entities": 2, "HTML tags": 1, "shortcodes": 1}}
    assert told["unknown"] == {"shop": {"shortcodes": 1, "symbols": 1}}
    assert {"mended", "unknown"}.isdisjoint(audit([read_corpus(load_card(write_reviews(tmp_path / "b")), Limits())], 1))


def test_who_waits_without_a_terminal_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_reviews(tmp_path / "shop")
    read_corpus(load_card(folder), Limits())
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(corpus, "SAID_EVERY", 0)
    read_corpus(load_card(folder), Limits())
    assert "reading shop: 29 rows\n" in capsys.readouterr().err
