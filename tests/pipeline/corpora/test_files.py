"""Files as people really have them: every row of the table in docs/files.md, by value."""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.common.errors import InputError
from pipeline.corpora import new_texts
from pipeline.corpora.cards import Card, load_card
from pipeline.corpora.cells import as_number, as_written
from pipeline.corpora.check import drafted
from pipeline.corpora.corpus import Corpus, Limits, read_corpus
from pipeline.corpora.drafting import draft_card
from pipeline.corpora.readers import PLAIN, read_rows
from pipeline.corpora.tables import QUOTED, quoting
from tests.texts import read_texts

DOC = (Path(__file__).parents[3] / "docs" / "files.md").read_text("utf-8")
KINDS: list[str] = []
WORDS = {1: "awful, broke at once", 2: "bad seams", 3: "it is okay I think", 4: "good value", 5: "love it, truly 😂"}
STARS = [n % 5 + 1 for n in range(50)]
TEXTS = [f"the {n}th kettle: {WORDS[stars]}" for n, stars in enumerate(STARS)]
Test = TypeVar("Test", bound=Callable[..., None])


def kind(name: str) -> Callable[[Test], Test]:
    """This test shows what the table says of a kind."""
    KINDS.append(name)
    return lambda test: test


def table(rows: Sequence[Sequence[object]], header: Sequence[str] = ("text", "stars"), **how: Any) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, **{"lineterminator": "\n", **how}).writerows([header, *rows] if header else rows)
    return stream.getvalue()


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, **how: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for _, row in read_rows(path, path.name, replace(PLAIN, **how))]


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    return str(caught.value)


def draft(path: Path, answers: dict[str, str] | None = None) -> tuple[str, Card]:
    """What a draft says, and its card with ``answers`` put in place of what asks."""
    folder = draft_card(path, path.parent / "cards")
    text = (folder / "README.md").read_text("utf-8")
    changed = text
    for question, answer in (answers or {}).items():
        assert question in changed
        changed = changed.replace(question, answer)
    if answers:
        with pytest.raises(InputError, match="is still a question"):
            load_card(folder)
    (folder / "README.md").write_text(changed, "utf-8")
    return text, load_card(folder)


def corpus_of(card: Card) -> Corpus:
    return read_corpus(card, Limits())


def labelled(card: Card) -> list[tuple[str, int | None]]:
    return [(text.raw, text.label) for text in corpus_of(card).splits["train"]]


ROWS = list(zip(TEXTS, map(str, STARS), strict=True))
NO_GUESS = {"neutral: [3, '?']": "neutral: [3]"}
"""The answer to numbers that may rate."""
MAPPED = [(text, [None, 0, 0, 1, 2, 2][stars]) for text, stars in zip(TEXTS, STARS, strict=True)]


def test_each_row_of_the_table_has_a_test() -> None:
    rows = re.findall(r"^\| (?!kind|---)([^|]+?) \|", DOC, re.M)
    assert sorted(rows) == sorted(KINDS)


@kind("line ends")
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(tmp_path: Path, end: str) -> None:
    assert read(write(tmp_path / "a.csv", table(ROWS, lineterminator=end))) == ROWS
    assert read(write(tmp_path / "a.txt", end.join(TEXTS))) == [(text,) for text in TEXTS]
    lines = [json.dumps({"text": text, "stars": stars}) for text, stars in ROWS]
    assert read(write(tmp_path / "a.jsonl", end.join(lines))) == ROWS


@kind("separators that are no line ends")
def test_separators_within_texts(tmp_path: Path) -> None:
    texts = ["good\u2028food", "bad\x0cfood", "so\x85so", "\x1emeh\x1c", "a\x0bb", "last\u2029"]
    rows = [(text, "1") for text in texts]
    assert read(write(tmp_path / "a.txt", "\n".join(texts))) == [(text,) for text in texts]
    assert read(write(tmp_path / "a.csv", table(rows).encode("utf-16"))) == rows
    assert read_texts(str(tmp_path / "a.csv")).texts == texts


@kind("UTF-16")
@pytest.mark.parametrize("code", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_is_heeded(tmp_path: Path, code: str) -> None:
    path = write(tmp_path / "a.csv.gz", gzip.compress(table(ROWS).encode(code)))
    assert read(path) == ROWS
    assert labelled(draft(path)[1]) == MAPPED


@kind("cp1252")
def test_cp1252_is_found_out_by_a_draft_alone(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", table([(f"{text} – café", stars) for text, stars in ROWS if stars != "5"]).encode("cp1252")
    )
    assert "not UTF-8; save the file as UTF-8" in refused(path)
    assert "encoding: cp1252" in draft_card(path, tmp_path / "cards").joinpath("README.md").read_text()


@kind("two encodings in one file")
def test_a_file_of_two_encodings_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", table([*ROWS, ("café", "5")]).encode() + "caf\xe9,4\n".encode("cp1252"))
    with pytest.raises(InputError, match=r"a\.csv, line 53, byte \d+: not UTF-8"):
        draft_card(path, tmp_path / "cards")


@kind("separators")
@pytest.mark.parametrize("sep", [";", "\t", "|", "^"])
def test_separators(tmp_path: Path, sep: str) -> None:
    path = write(tmp_path / "a.csv", table(ROWS, delimiter=sep))
    assert read(path) == ROWS
    assert labelled(draft(path)[1]) == MAPPED


@kind("`sep=` before the header")
@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "\ufeffSEP=;"])
def test_a_sep_line(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / "a.csv", f"{line}\r\n{table(ROWS, delimiter=';')}")
    assert read(path) == ROWS
    assert labelled(draft(path)[1]) == MAPPED
    assert refused(write(path, "sep=;\ntext;stars\na\n")).startswith("a.csv, row 1 (line 3): 1 fields")


@kind("empty columns at the end")
def test_empty_columns_at_the_end(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,stars,,,\n" + "".join(f"{n},1,,,\n" for n in "ab"))
    assert list(read_rows(path, "a")) == [(1, {"text": "a", "stars": "1"}), (2, {"text": "b", "stars": "1"})]
    assert read(write(path, "text,stars\na,1,\nb,2,,\n")) == [("a", "1"), ("b", "2")]
    assert "row 2 (line 3): 5 fields where the header has 2" in refused(write(path, "text,stars,,,\na,1,,,\nb,2,,x,\n"))


@kind("empty lines")
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_an_empty_line_is_a_row_where_there_is_one_column(tmp_path: Path, end: str) -> None:
    texts = ["good", "", "", "two\n\nparagraphs", "", "bad"]  # as a spreadsheet writes them
    lines = ["", "text", *(f'"{text}"' if "\n" in text else text for text in texts), "", "", ""]
    path = write(tmp_path / "a.csv", end.join(lines))
    assert read(path) == [(text,) for text in texts]
    assert [number for number, _ in read_rows(path, "a.csv", PLAIN)] == list(range(1, 7))
    assert read_texts(str(path)).texts == texts
    assert corpus_of(draft(path)[1]).dropped == {"empty": 3}
    assert read(write(tmp_path / "c.csv", f"{end}good{end}{end}bad"), header=False) == [
        ("",),
        ("good",),
        ("",),
        ("bad",),
    ]
    assert read(write(tmp_path / "d.csv", f"a,b{end}1,2{end}{end}3,4{end}")) == [("1", "2"), ("3", "4")]


@kind("a table named .txt")
def test_a_table_of_tabs_in_a_txt(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", table(ROWS, delimiter="\t").encode("utf-16"))
    assert labelled(draft(path)[1]) == MAPPED
    with pytest.raises(InputError, match=r"so it is a table; let its name end in \.tsv"):
        read_texts(str(path))
    assert read_texts(str(write(path, "one\ttab\nnone\n"))).texts == ["one\ttab", "none"]


@kind("a stray quote")
def test_a_stray_quote_swallows_no_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [('a 10" pan', "4"), ('"Love this', "5"), ("so so", "3"), ("bad", "1"), ('works on my 5"', "2"), ("ok", "3")]
    path = write(tmp_path / "a.tsv", "text\tstars\n" + "".join(f"{text}\t{stars}\n" for text, stars in rows))
    with caplog.at_level(logging.WARNING):
        assert read(path) == rows
    assert 'quotes (") were read as letters; as quotes, one would make one row of lines 3 to 6' in caplog.text
    assert "quoting: 3" in draft_card(path, tmp_path / "cards").joinpath("README.md").read_text()
    last = [(stars, text) for text, stars in rows]
    assert read(write(path, "stars\ttext\n" + "".join(f"{stars}\t{text}\n" for stars, text in last))) == last


@kind("a stray quote among quoted rows")
def test_where_neither_reading_is_clean_both_rows_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,stars\n"nice, really",5\n"Love this,4\nTerrible 5",2\n')
    assert refused(path) == (
        'a.csv, row 2 (lines 3 to 4): a quote (") opens here that holds whole rows; and read without quotes, row 1 '
        "(line 2) has 3 fields where the header has 2; close or double the quote"
    )
    assert read(path, quoting=0) == [("nice, really", "5"), ("Love this,4\nTerrible 5", "2")]


@kind("quotes that do not quote, lines above the header")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('stars, text\n5, "good, really"\n', '3 fields where the header has 2; a field is quoted by ", with no blank'),
        ("text,stars\n'good, really',5\n", '3 fields where the header has 2; a field is quoted by ", with no blank'),
        (
            "# export of May\ntext,stars\ngood,5\n",
            '2 fields where the header has 1; quote (") a text that holds a ,; or take out what stands above',
        ),
        (
            "text\nI like it, really\n",
            '2 fields where the header has 1; quote (") a text that holds a ,',
        ),
        ("text,stars\ngood, really,5\n", '3 fields where the header has 2; quote (") a text that holds a ,'),
    ],
)
def test_a_row_of_another_length_is_told_why(tmp_path: Path, content: str, says: str) -> None:
    assert f"a.csv, row 1 (line 2): {says}" in refused(write(tmp_path / "a.csv", content))


@kind("UTF-16 without a mark")
def test_utf_16_without_a_mark_is_called_so(tmp_path: Path) -> None:
    for code in ("utf-16-le", "utf-16-be"):
        for text in ("text,stars\nfine,3\n", "text,stars\ncafé 😂,5\n"):
            path = write(tmp_path / "a.csv", text.encode(code))
            assert "a NUL byte; is it UTF-16 or no text? Save it as UTF-8" in refused(path)
            with pytest.raises(InputError, match="is it UTF-16"):
                draft_card(path, tmp_path / "cards")


@kind("line breaks within quotes")
@pytest.mark.parametrize("sep", [",", "\t", ";"])
@pytest.mark.parametrize("gap", ["\n", "\n\n", ", \n", ",\n\n"])
def test_line_breaks_within_quotes_are_text(tmp_path: Path, sep: str, gap: str) -> None:
    rows = [(f"first{gap}second {text}", stars) for text, stars in ROWS]
    path = write(tmp_path / ("a.tsv" if sep == "\t" else "a.csv"), table(rows, delimiter=sep, lineterminator="\r\n"))
    assert read(path) == rows


def test_a_line_within_quotes_that_only_looks_like_a_row_is_text(tmp_path: Path) -> None:
    rows = [("fine, but:\nprice,20\nquality, 4\n", "3"), *ROWS]
    assert read(write(tmp_path / "a.csv", table(rows))) == rows
    rows = [("fine, but price,3\nquality,4\n", "3"), *ROWS]
    assert read(write(tmp_path / "a.csv", table(rows, quoting=csv.QUOTE_ALL))) == rows


@kind("quotes behind a backslash")
def test_quotes_behind_a_backslash(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        ('He said "wow", twice', "5"),
        ("C:\\new and ¯\\_(ツ)_/¯", "3"),
        ('"all" of it\n10"', "1"),
        ("ends in \\", "2"),
        *ROWS,
    ]
    text = table(rows, quoting=csv.QUOTE_ALL, doublequote=False, escapechar="\\")
    path = write(tmp_path / "a.csv", text.replace("C:\\\\", "C:\\"))  # many escape quotes alone
    assert '"He said \\"wow\\", twice","5"' in path.read_text("utf-8")
    with caplog.at_level(logging.WARNING):
        assert read(path) == rows == read(path, escapechar="\\")
    assert 'a.csv: \\" was read as a quote within a text; where quotes are doubled, rows would break' in caplog.text
    drawn, card = draft(path)
    assert "escapechar: \\" in drawn
    assert labelled(card)[:2] == [(rows[0][0], 2), (rows[1][0], 1)]
    assert read_texts(str(path)).texts == [text for text, _ in rows]


def test_quotes_behind_a_backslash_are_refused_where_rows_break_all_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,stars\nok,1\n"He said \\"wow\\", twice",5,7\n')
    assert refused(path) == 'a.csv, row 2 (line 3): a quote (") ends inside a field; double it ("")'


def test_a_backslash_at_the_end_of_a_quoted_field_is_a_letter(tmp_path: Path) -> None:
    rows = [("see C:\\", "1"), ('a "b" \\', "5"), *ROWS]
    assert read(write(tmp_path / "a.csv", table(rows, quoting=csv.QUOTE_ALL))) == rows


@kind("no header")
@pytest.mark.parametrize("rows", [ROWS, [(n, "app", stars, text) for n, (text, stars) in enumerate(ROWS)]])
def test_a_first_line_of_data_is_noticed(tmp_path: Path, rows: list[tuple[object, ...]]) -> None:
    path = write(tmp_path / "a.csv", table(rows, ()))
    text, card = draft(path, {"header: '?'": "header: false", **NO_GUESS})
    assert "- header: does the first line name the columns (" in text
    assert labelled(card) == MAPPED


def test_headers_are_not_taken_for_data(tmp_path: Path) -> None:
    asked = ("How was your order, all in all?", "Stars; 1 = bad, 5 = great")
    for number, (header, answers) in enumerate([(asked, {}), (("0", "1"), NO_GUESS)]):
        path = write(tmp_path / f"{number}.csv", table(ROWS, header))
        text, card = draft(path, answers)
        assert labelled(card) == MAPPED
        assert "header: " not in text


@kind("no header, for `predict`")
def test_a_text_is_not_lost_as_a_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a.csv", "the best kettle I ever had\nit broke\n")
    with pytest.raises(InputError, match=r"its first line \(the best kettle I ever had\) looks like a row"):
        read_texts(str(path))
    assert read_texts(str(path), "the best kettle I ever had").texts == ["it broke"]
    assert "it was taken for them, and gets no label" in caplog.text
    with pytest.raises(InputError, match="looks like a row, not like names of columns; write names above it"):
        read_texts(str(write(path, table(ROWS, ()))))
    assert read_texts(str(write(path, "review\nthe best kettle\n"))).texts == ["the best kettle"]


@kind("the header again further down")
def test_a_repeated_header_is_asked_about(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", table([*ROWS, ("text", "stars")]))
    text = draft_card(path, tmp_path / "cards").joinpath("README.md").read_text()
    assert "labels: where does stars belong? Put it in place of the ?, or under drop." in text
    assert "labels:\n    negative: [1, 2]\n    neutral: [3, '?']" in text


@kind("JSON in other shapes")
@pytest.mark.parametrize(
    "shape", ["list", "list.jsonl", "lines.ndjson", "pretty", "key", "columns", "lists", "split", "index"]
)
def test_json_shapes(tmp_path: Path, shape: str) -> None:
    rows = [{"text": text, "stars": stars} for text, stars in ROWS]
    numbered = {str(n): row for n, row in enumerate(rows)}
    columns = {name: {key: row[name] for key, row in numbered.items()} for name in ("text", "stars")}
    shapes: dict[str, Any] = {
        "key": {"app": "shop", "reviews": rows, "next": None},
        "columns": columns,
        "lists": {name: list(column.values()) for name, column in columns.items()},
        "split": {"columns": ["text", "stars"], "index": list(range(len(rows))), "data": [list(row) for row in ROWS]},
        "index": numbered,
    }
    path = tmp_path / f"a.{shape.partition('.')[2] or 'json'}"
    write(path, json.dumps(shapes.get(shape, rows), indent=1 if shape == "pretty" else None))
    if shape == "lines.ndjson":
        write(path, "\n".join(map(json.dumps, rows)))
    assert read(path) == ROWS
    text, card = draft(path)
    assert labelled(card) == MAPPED
    assert ("field: reviews" in text) is (shape == "key")


def test_a_card_is_told_which_field(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", json.dumps({"reviews": [{"text": "a"}]}))
    with pytest.raises(InputError, match="one object, with rows under reviews; write `field: reviews`"):
        list(read(path, of_card=True))
    assert "rows under a, b; keep one" in refused(write(path, json.dumps({"a": [{"text": "a"}], "b": [{"text": "a"}]})))


@kind("keys that stand twice")
@pytest.mark.parametrize("shape", ["[{}]", "{}\n", '{{"data": [{}]}}'])
def test_no_value_of_a_key_that_stands_twice_is_lost(tmp_path: Path, shape: str) -> None:
    row = '{"text": "a", "stars": 1, "text": "b"}'
    path = write(tmp_path / ("a.jsonl" if shape.endswith("\n") else "a.json"), shape.format(row))
    assert "key 'text' stands twice in one object; it must name each value once" in refused(path)


@kind("Python dicts")
def test_python_dicts_are_refused(tmp_path: Path) -> None:
    says = "a Python dict, no JSON; write the rows by json.dumps"
    assert says in refused(write(tmp_path / "a.json", "{'text': 'a'}\n{'text': 'b'}\n"))
    assert says in refused(write(tmp_path / "a.jsonl", "{'text': 'a'}\n"))


@kind("no table at all")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer, not the data"),
        (b"\n<!DOCTYPE html>\n<html>", "a web page or XML"),
        (b"<table><tr><td>text</td></tr>", "a web page or XML"),
        (b"PK\x03\x04\x14\0", "an Excel workbook or another zip archive"),
        (b"\xd0\xcf\x11\xe0", "an old Excel or Word file"),
        (b"PAR1", "a parquet file; let its name end in .parquet"),
        (b"%PDF-1.7", "a PDF"),
        (gzip.compress(b"text\na\n", mtime=0), "packed by gzip; let its name end in .gz"),
    ],
)
def test_what_is_no_table_is_called_by_its_name(tmp_path: Path, content: bytes, says: str) -> None:
    for name in ("a.csv", "a.txt", "a.jsonl"):
        assert refused(write(tmp_path / name, content)).startswith(f"{name}: this is {says}")
    if not content.startswith(b"PAR1"):
        assert "this is " in refused(write(tmp_path / "a.parquet", content))
    with pytest.raises(InputError, match="this is "):
        draft_card(tmp_path / "a.csv", tmp_path / "cards")


@kind("a packed file cut short, or with more behind it")
@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_nothing_of_a_packed_file_is_lost(tmp_path: Path, suffix: str) -> None:
    import bz2
    import lzma

    import zstandard

    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstandard.compress}[suffix]
    rows = [(f"{text} {n}", stars) for n in range(400) for text, stars in ROWS]
    whole = pack(table(rows).encode())
    path = write(tmp_path / f"a.csv{suffix}", whole)
    assert read(path) == rows
    assert read(write(path, pack(table(rows[:9]).encode()) + pack(table(rows[9:], ()).encode()))) == rows
    for broken in (whole[:-20], whole[: len(whole) // 2], whole + b"garbage"):
        assert f"a.csv{suffix}: damaged or not really {suffix}" in refused(write(path, broken))


@kind("an Excel workbook")
def test_a_workbook_is_read_cell_by_cell(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl (extra excel) is not installed")
    made = openpyxl.Workbook()
    for row in [("text", "stars"), *ROWS]:
        made.active.append(row)
    made.save(tmp_path / "a.xlsx")
    assert [(text, str(stars)) for text, stars in read(tmp_path / "a.xlsx")] == ROWS


@kind("another spreadsheet")
def test_another_spreadsheet_is_to_be_saved_as_one_or_as_csv(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xls", b"PK\x03\x04")
    assert "by the name a.xls; save the sheet as .xlsx or CSV UTF-8" in refused(path)


JSON_TEXTS = {"null": "", "NaN": "", "5": "5", "0.5": "0.5"}


@kind("texts that are missing")
@pytest.mark.parametrize(("value", "text"), JSON_TEXTS.items())
def test_missing_and_numbers_are_the_same_everywhere(tmp_path: Path, value: str, text: str) -> None:
    path = write(tmp_path / "a.jsonl", f'{{"text": {value}, "n": 1}}\n{{"text": "kept", "n": NaN}}\n')
    assert read_texts(str(path)).texts == [text, "kept"]
    assert read_texts(str(path)).cells == [[text, "1"], ["kept", ""]]
    assert [each.raw for each in corpus_of(informal(path)).splits["train"]] == [text for text in (text, "kept") if text]


def informal(path: Path) -> Card:
    front = f"configs: [{{data_files: {path.name}}}]\nretone: {{role: informal}}"
    write(path.parent / "README.md", f"---\n{front}\n---\n")
    return load_card(path.parent)


@kind("cells that are no texts")
@pytest.mark.parametrize(
    ("value", "name"),
    [('["a"]', "list"), ('{"body": "a"}', "dict"), ("true", "bool"), ('"so \\ud83d"', "half an emoji")],
)
def test_what_is_no_text_is_refused_everywhere(tmp_path: Path, value: str, name: str) -> None:
    path = write(tmp_path / "a.jsonl", f'{{"text": "ok"}}\n{{"text": {value}}}\n')
    says = f"row 2: {name}" if " " in name else f"row 2: a {name} where a text belongs"
    with pytest.raises(InputError, match=says):
        read_texts(str(path))
    with pytest.raises(InputError, match=says):
        corpus_of(informal(path))


@kind("half an emoji beside the text")
def test_half_an_emoji_beside_the_text_is_marked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "ok", "na\\ud83dme": "x\\ude02", "both": "\\ud83d\\ude02"}\n')
    found = read_texts(str(path))
    assert (found.columns, found.cells) == (["text", "na\ufffdme", "both"], [["ok", "x\ufffd", "😂"]])
    assert as_written(["\ud83d"]) == '["\ufffd"]'


@kind("empty ratings")
def test_empty_ratings_are_dropped_by_a_draft(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", table([*ROWS, ("no rating given", ""), ("none here", " ")]))
    text, card = draft(path)
    assert "drop: stars is empty in 2 rows: dropped, and counted." in text
    assert labelled(card) == MAPPED
    assert corpus_of(card).dropped == {"dropped label": 2}
    (card.folder / "README.md").write_text(text.replace("drop: ['']", "drop: []"), "utf-8")
    with pytest.raises(InputError, match=r'no label \(an empty field\).*; write `drop: \[""\]` under retone'):
        corpus_of(load_card(card.folder))


@kind("codes without names")
@pytest.mark.parametrize("codes", [("0", "1", "2"), ("0", "1"), ("1", "2", "3"), ("1", "2", "3", "4")])
def test_codes_without_names_are_asked_about(tmp_path: Path, codes: Sequence[str]) -> None:
    path = write(
        tmp_path / "a.csv", table([(text, codes[n % len(codes)]) for n, text in enumerate(TEXTS)], ("text", "label"))
    )
    folder = draft_card(path, tmp_path / "cards")
    questions, _, shown = drafted(folder)
    assert [line[:19] for line in questions if line.startswith("- ")] == [
        "- labels.negative: ",
        "- labels.neutral: w",
        "- labels.positive: ",
    ]
    assert f"  - {codes[1]}: {TEXTS[1]} | {TEXTS[1 + len(codes)]} | {TEXTS[1 + 2 * len(codes)]}" in questions
    assert shown == []
    with pytest.raises(InputError, match=r"retone\.labels\.negative is still a question \(\?\), and so are"):
        load_card(folder)


@kind("codes under a name that says nothing")
@pytest.mark.parametrize("codes", [("0", "4"), ("0", "1", "2"), ("-1", "1")])
def test_codes_are_asked_about_whatever_their_column_is_called(tmp_path: Path, codes: Sequence[str]) -> None:
    rows = [(codes[n % len(codes)], n, text) for n, text in enumerate(TEXTS)]
    with_header = write(tmp_path / "a.csv", table(rows, ("y", "n", "t")))
    without = write(tmp_path / "b.csv", table(rows, ()))
    for path, column in {with_header: "y", without: "column 1"}.items():
        questions, noticed, _ = drafted(draft_card(path, tmp_path / "cards"))
        assert any(line.startswith("- labels.neutral: which values of ") for line in questions)
        assert noticed == [f"- if {column} labels nothing, write role informal, and of columns the text alone."]
    likely = [(text, n % 11) for n, text in enumerate(TEXTS)]
    (question, *_), _, _ = drafted(draft_card(write(tmp_path / "d.csv", table(likely, ("t", "y"))), tmp_path / "cards"))
    assert question.startswith("- cuts: y goes from 0 to 10.")
    few = [(text, ("praise", "blame")[n % 2]) for n, text in enumerate(TEXTS)]
    _, noticed, shown = drafted(draft_card(write(tmp_path / "c.csv", table(few, ("t", "sort"))), tmp_path / "cards"))
    assert noticed == [
        "- no label was found. If one of these is it, write role, columns.label and labels: sort (praise, blame)"
    ]
    assert shown[0] == f"informal  {TEXTS[0]}"


@kind("numbers under a name that rates nothing")
@pytest.mark.parametrize("name", ["priority", "grade", "y"])
def test_numbers_that_may_rate_are_guessed_and_asked_about(tmp_path: Path, name: str) -> None:
    rows = table([*ROWS, ("which?", "N/A")], ("text", name))
    answers = {**NO_GUESS, "positive: [4, 5]": "positive: [4, 5]\n  drop: [N/A]"}
    text, card = draft(write(tmp_path / "a.csv", rows), answers)
    assert f"- labels: is {name} a rating, of which more is better? Nothing says so: " in text
    assert "where does N/A belong?" in text
    assert "  - 5: " in text
    assert labelled(card) == MAPPED


@kind("`none`")
def test_none_may_be_no_answer(tmp_path: Path) -> None:
    words = {"negative": 0, "none": None, "neutral": 1, "positive": 2}
    rows = [(text, list(words)[n % 4]) for n, text in enumerate(TEXTS)]
    answers = {", '?']": "]", "positive: [positive]": "positive: [positive]\n  drop: [none]"}
    text, card = draft(write(tmp_path / "a.csv", table(rows, ("text", "sentiment"))), answers)
    assert "where does none belong?" in text
    assert labelled(card) == [(text, words[label]) for text, label in rows if label != "none"]


@kind("ratings among which others stand")
def test_what_is_no_star_is_asked_about(tmp_path: Path) -> None:
    answers = {"neutral: [3, '?']": "neutral: [3]", "positive: [4, 5]": "positive: [4, 5]\n  drop: [N/A]"}
    text, card = draft(write(tmp_path / "a.csv", table([*ROWS, ("none", "N/A")])), answers)
    assert "where does N/A belong?" in text
    assert labelled(card) == MAPPED


@kind("codes with names in the file")
def test_names_that_the_file_carries_are_used(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["neutral", "Positive", "negative"]}}}}
    rows = pa.table({"text": TEXTS, "label": [n % 3 for n in range(50)]})
    pq.write_table(rows.replace_schema_metadata({"huggingface": json.dumps(names)}), tmp_path / "a.parquet")
    assert draft(tmp_path / "a.parquet")[1].classes == {"0": 1, "1": 2, "2": 0}
    pq.write_table(rows, tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"labels\.negative is still a question"):
        draft(tmp_path / "b.parquet")
    beside = table(
        [(text, n % 3, ["neutral", "positive", "negative"][n % 3]) for n, text in enumerate(TEXTS)],
        ("text", "label", "label_text"),
    )
    assert draft(write(tmp_path / "c.csv", beside))[1].columns == {"text": "text", "label": "label_text"}


@kind("stars in other dress")
@pytest.mark.parametrize("form", ["{}.0", "{} stars", "{}/5", "★"])
def test_stars_in_other_dress(tmp_path: Path, form: str) -> None:
    def dressed(stars: int) -> str:
        return "★" * stars + "☆" * (5 - stars) if form == "★" else form.format(stars)

    path = write(tmp_path / "a.csv", table([(text, dressed(stars)) for text, stars in zip(TEXTS, STARS, strict=True)]))
    assert labelled(draft(path)[1]) == MAPPED


@kind("scales of many values")
@pytest.mark.parametrize(
    ("form", "cuts"), [("{}0", "40, 60"), ("{}", "5, 6"), ("{}0%", "40, 60"), ("0,{}", "0.4, 0.6")]
)
def test_a_scale_is_asked_for_its_cuts(tmp_path: Path, form: str, cuts: str) -> None:
    points = [n % 9 + 1 for n in range(len(TEXTS))]
    path = write(
        tmp_path / "a.csv",
        table([(text, form.format(n)) for text, n in zip(TEXTS, points, strict=True)], ("text", "score")),
    )
    text, card = draft(path, {f"cuts: [{cuts}, '?']": f"cuts: [{cuts}]"})
    assert "- cuts: score goes from " in text
    low, high = (5, 6) if form == "{}" else (4, 6)
    assert labelled(card) == [
        (text, 0 if n < low else 1 if n <= high else 2) for text, n in zip(TEXTS, points, strict=True)
    ]


def test_cuts_are_checked(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", table(ROWS))
    front = "configs: [{data_files: a.csv}]\nretone: {role: reviews, columns: {label: stars}, "
    for own, says in {
        "cuts: [6, 4]}": "retone.cuts: 6 is above 4; write the lower one first",
        "cuts: [1]}": "retone.cuts",
        "cuts: [3, 3], labels: {negative: [none]}}": "",
    }.items():
        write(tmp_path / "README.md", f"---\n{front}{own}\n---\n")
        if says:
            with pytest.raises(InputError, match=re.escape(says)):
                load_card(tmp_path)
    card = load_card(tmp_path)
    assert [card.class_of(value) for value in ("2", "3", "4,5", "90%", "none")] == [0, 1, 2, 2, 0]
    with pytest.raises(KeyError):
        card.class_of("good")
    assert [as_number(value) for value in ("1e3", "-.5", "", "4.5.6", "+3")] == [1000.0, None, None, None, 3.0]


@kind("several columns of text or label")
@pytest.mark.parametrize(
    ("columns", "text", "label"),
    [
        ({"replyContent": "thank you for that. " * 9, "content": None, "score": None}, "content", "score"),
        ({"helpful_votes": "2", "overall": None, "reviewText": None}, "reviewText", "overall"),
        (
            {"Developer Reply Text": "we are sorry. " * 9, "Review Text": None, "Star Rating": None},
            "Review Text",
            "Star Rating",
        ),
        ({"review": None, "details": "and then it rained all day. " * 2, "stars": None}, "?", "stars"),
        ({"review": None, "sentiment": "WORD", "stars": None}, "review", "?"),
        ({"title": "a b c d", "text": None, "thumbsUpCount": "1", "rating": None}, "text", "rating"),
    ],
)
def test_columns_are_ranked_by_name_and_asked_about_when_close(
    tmp_path: Path, columns: dict[str, str | None], text: str, label: str
) -> None:
    def cell(name: str, value: str | None, n: int) -> object:
        if value == "WORD":
            return ("bad", "bad", "ok", "good", "good")[n % 5]
        if value is not None:
            return n % 3 if value.isdigit() else f"{value}{n}"
        return STARS[n] if name.lower() in {"score", "overall", "star rating", "stars", "rating"} else TEXTS[n]

    rows = [[cell(name, value, n) for name, value in columns.items()] for n in range(50)]
    folder = draft_card(write(tmp_path / "a.csv", table(rows, tuple(columns))), tmp_path / "cards")
    drawn = (folder / "README.md").read_text("utf-8")
    assert f"columns: {{text: {text!r}, label: {label!r}}}".replace("'", "") in drawn.replace("'", "")
    assert ("## Questions" in drawn) is ("?" in {text, label})


@kind("a title beside the text")
def test_a_title_is_left_out_with_a_word_and_joined_where_a_card_says_so(tmp_path: Path) -> None:
    titles = ["Great!", "meh", "", " 5 stars 😍 ", "Why?"]
    rows = [(titles[n % 5], *row) for n, row in enumerate(ROWS)]
    path = write(tmp_path / "a.csv", table(rows, ("Title", "body", "stars")))
    text, card = draft(path)
    assert "- columns.text: Title is left out; `text: [Title, body]` reads both as one text." in text
    assert labelled(card) == MAPPED
    readme = card.folder / "README.md"
    readme.write_text(text.replace("text: body", "text: [Title, body]"), "utf-8")
    said = [f"Great! {TEXTS[0]}", f"meh. {TEXTS[1]}", TEXTS[2], f"5 stars 😍. {TEXTS[3]}", f"Why? {TEXTS[4]}"]
    assert [raw for raw, _ in labelled(load_card(card.folder))][:5] == said
    found = read_texts(str(path), ["Title", "body"])
    assert (found.texts[:5], found.columns) == (said, ["Title", "body", "stars"])
    for wrong, says in {
        "text: [Title, bdy]": "no column bdy; write the right one under retone.columns.text, did you mean body?",
        "text: []": "retone.columns.text: name one column; text alone may be a list of several",
        "text: body, label: [stars, Title]": "retone.columns.label: name one column",
        "text: [body, 7]": "retone.columns.text: 7 is no column's name; write one, in quotes",
    }.items():
        changed = text.replace(", label: stars", "") if "label" in wrong else text
        readme.write_text(changed.replace("text: body", wrong), "utf-8")
        with pytest.raises(InputError, match=re.escape(says)):
            corpus_of(load_card(card.folder))


@kind("a folder of files")
def test_a_folder_becomes_one_card(tmp_path: Path) -> None:
    data = tmp_path / "My Shop"
    for name, rows in {"train-1.csv": ROWS[:20], "train-2.csv": ROWS[20:35], "test.csv": ROWS[35:]}.items():
        write(data / name, table(rows))
    write(data / "notes.md", "# notes")
    card = load_card(draft_card(data, tmp_path / "cards"))
    assert (card.name, {split: len(rows) for split, rows in corpus_of(card).splits.items()}) == (
        "my-shop",
        {"train": 35, "test": 15},
    )
    write(data / "odd.csv", "body,stars\na,1\n")
    with pytest.raises(InputError, match=r"test\.csv: its columns are text, stars, and those of odd\.csv are body"):
        draft_card(data, tmp_path / "more")
    write(data / "odd.csv.json", "[]")
    with pytest.raises(InputError, match="files of csv and json; a card takes one format"):
        draft_card(data, tmp_path / "more")
    assert not (tmp_path / "more").exists()


@kind("brackets and spaces in names")
def test_a_name_is_taken_as_it_stands_first(tmp_path: Path) -> None:
    path = write(tmp_path / "reviews [2024] (1)*.csv", table(ROWS))
    assert labelled(draft(path)[1]) == MAPPED


def test_a_draft_tells_three_rows_of_each_class(tmp_path: Path) -> None:
    questions, noticed, shown = drafted(draft_card(write(tmp_path / "a.csv", table(ROWS)), tmp_path / "cards"))
    assert (questions, noticed) == ([], [])
    assert [line.split("  ")[0] for line in shown] == ["negative"] * 3 + ["neutral"] * 3 + ["positive"] * 3
    assert shown[3] == f"neutral  {TEXTS[2]}"


def test_half_an_emoji_in_a_name_or_label_is_drafted_as_u_fffd(tmp_path: Path) -> None:
    rows = [{"text": text, "mood \ud83d": ["bad", "ok", "good", "\udd5e"][n % 4]} for n, text in enumerate(TEXTS)]
    text = (
        draft_card(write(tmp_path / "a.json", json.dumps(rows)), tmp_path / "cards").joinpath("README.md").read_text()
    )
    assert "mood \ufffd" in text
    assert "where does \ufffd belong?" in text


def test_a_card_that_appears_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.csv", table(ROWS))
    mine = write(write(tmp_path / "cards" / "x", "").parent / "a" / "README.md", "mine")
    monkeypatch.setattr(Path, "exists", lambda _: False)
    with pytest.raises(InputError, match="cannot be written"):
        draft_card(path, tmp_path / "cards")
    assert sorted(each.name for each in (tmp_path / "cards").rglob("*")) == ["README.md", "a", "x"]
    assert mine.read_text() == "mine"


CELLS = st.text(st.sampled_from("ab5 ,;\t|^\n\"'\\\u2028\x85\x0c\x1e😂é{[<"), max_size=12)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(CELLS, st.sampled_from("12345")), min_size=1, max_size=8), st.sampled_from(",;\t|^"))
def test_a_row_in_is_a_row_out_or_a_refusal(tmp_path_factory: pytest.TempPathFactory, rows: Any, sep: str) -> None:
    """A field that holds lines which could be rows by themselves may be read as those; that is said."""
    folder = tmp_path_factory.mktemp("rows")
    lines = [json.dumps({"text": text, "stars": stars}, ensure_ascii=False) for text, stars in rows]
    assert read_texts(str(write(folder / "a.jsonl", "\n".join(lines)))).cells == [list(row) for row in rows]
    assert read_texts(str(write(folder / "a.json", f"[{','.join(lines)}]"))).cells == [list(row) for row in rows]
    path = write(folder / ("a.tsv" if sep == "\t" else "a.csv"), table(rows, delimiter=sep))
    if not any(says in told(path, rows) for says in ("the same", "holds whole rows")):
        assert quoting(path, "a", PLAIN, 1 << 30) != QUOTED


def told(path: Path, rows: Any) -> str:
    try:
        return "the same" if read_texts(str(path)).cells == [list(row) for row in rows] else "other rows"
    except InputError as refusal:
        return str(refusal)


def test_rows_come_in_chunks_that_end_with_many_rows_or_much_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_texts, "CHUNK_ROWS", 3)
    monkeypatch.setattr(new_texts, "CHUNK_CHARACTERS", 20)
    texts = ["a", "b", "c", "d", "e" * 30, "f", "g" * 20]
    found = new_texts.read_texts(str(write(tmp_path / "a.txt", "\n".join(texts))))
    assert found.count == 7
    chunks = [[text for text, _ in chunk] for chunk in found.chunks()]
    assert chunks == [texts[:3], texts[3:5], texts[5:]]
    assert [[text for text, _ in chunk] for chunk in found.chunks(3)] == chunks[1:]


def test_what_was_found_out_of_a_table_is_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = "".join(f'{n},good,"so nice\n' if n == 2 else f"{n},bad,it broke\n" for n in range(1, 40))
    found = new_texts.read_texts(str(write(tmp_path / "a.csv", f'n,label,text\n{rows}40,bad,the end"\n')), "text")
    assert [len(chunk) for chunk in found.chunks()] == [40]
    assert caplog.text.count("were read as letters") == 1
