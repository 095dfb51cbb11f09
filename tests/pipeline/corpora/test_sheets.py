"""Excel workbooks as people have them: every row read as it stands, and asked where two sheets could be meant."""

from __future__ import annotations

import gzip
import sys
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.errors import InputError
from pipeline.corpora.card_files import Reading
from pipeline.corpora.drafting import draft_card
from pipeline.corpora.readers import read_rows
from tests.texts import read_texts

openpyxl = pytest.importorskip("openpyxl", reason="openpyxl (extra excel) is not installed")

ROWS = [("Loved it 😍", 5), ("It was ok", 3), ("Awful, never again", 1)]
HEADER = ("review", "stars")


def book(path: Path, sheets: Mapping[str, Sequence[Sequence[Any]]]) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def rows_of(path: Path, **options: Any) -> list[tuple[int, dict[str, Any]]]:
    return list(read_rows(path, path.name, Reading(**options)))


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        rows_of(path, **options)
    return str(caught.value)


def test_rows_and_values_as_they_stand(tmp_path: Path) -> None:
    table = [HEADER, ROWS[0], (None, None), ("two_x000D_\nlines", 4.5), (date(2024, 5, 1), None), ("007", True)]
    path = book(tmp_path / "a.xlsx", {"Sheet1": table, "empty": []})
    assert rows_of(path) == [
        (1, {"review": "Loved it 😍", "stars": 5}),
        (2, {"review": "two\nlines", "stars": 4.5}),
        (3, {"review": "2024-05-01T00:00:00", "stars": None}),
        (4, {"review": "007", "stars": True}),
    ]
    packed = tmp_path / "b.xlsx.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert rows_of(packed) == rows_of(path)
    assert rows_of(path, header=False)[0] == (1, {"column 1": "review", "column 2": "stars"})


def test_columns_that_a_sheet_once_had_are_none_and_cells_beside_the_table_are_refused(tmp_path: Path) -> None:
    wide = book(tmp_path / "a.xlsx", {"s": [(*HEADER, None, "", None), *ROWS]})
    assert [row["stars"] for _, row in rows_of(wide)] == [5, 3, 1]
    beside = book(tmp_path / "b.xlsx", {"s": [HEADER, ROWS[0], (*ROWS[1], "note")]})
    assert refused(beside).startswith("b.xlsx, row 2 (line 3 of sheet s): more cells than the 2 of the header")
    assert rows_of(book(tmp_path / "d.xlsx", {"s": [(0, 1), *ROWS]}))[0] == (1, {"0": ROWS[0][0], "1": 5})
    twice = book(tmp_path / "c.xlsx", {"s": [("a", "a"), *ROWS]})
    assert "column 'a' stands twice" in refused(twice)


def test_of_several_sheets_it_is_asked_which(tmp_path: Path) -> None:
    path = book(tmp_path / "shop.xlsx", {"notes": [("to do",), ("call",)], "reviews 2024": [HEADER, *ROWS * 4]})
    assert refused(path) == "shop.xlsx: 2 sheets have rows (notes, reviews 2024); name one with --sheet"
    assert "write `sheet: notes` beside" in refused(path, of_card=True)
    assert len(rows_of(path, sheet="reviews 2024")) == 12
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    assert "a.csv: no workbook, so it has no sheet x" in refused(tmp_path / "a.csv", sheet="x")
    assert "no sheet 'x' with rows; there are notes, reviews 2024" in refused(path, sheet="x")
    card = (draft_card(path, tmp_path / "cards") / "README.md").read_text(encoding="utf-8")
    assert "sheet: '?'" in card
    assert "sheet: which counts of reviews 2024, notes? This draft is of reviews 2024." in card
    assert "text: review" in card


def test_of_a_workbook_that_holds_but_a_chart_there_are_no_rows(tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    sheet = made.create_chartsheet("chart", 0)
    made.save(tmp_path / "broken.xlsx")
    assert "broken.xlsx: no readable workbook" in refused(tmp_path / "broken.xlsx")
    sheet.add_chart(openpyxl.chart.BarChart())
    made.save(tmp_path / "a.xlsx")
    assert rows_of(tmp_path / "a.xlsx") == []


def test_predict_reads_one(tmp_path: Path) -> None:
    found = read_texts(str(book(tmp_path / "a.xlsx", {"s": [HEADER, *ROWS]})), "review")
    assert found.texts == [text for text, _ in ROWS]
    assert found.cells[0] == ["Loved it 😍", "5"]
    two = book(tmp_path / "two.xlsx", {"notes": [("to do",), ("call",)], "s": [HEADER, *ROWS]})
    assert read_texts(str(two), "review", "s").texts == found.texts
    with pytest.raises(InputError, match=r"its first line .* looks like a row"):
        read_texts(str(book(tmp_path / "b.xlsx", {"s": ROWS * 4})))


def test_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_text("review,stars\nfine,3\n")
    assert refused(path) == "a.xlsx: no Excel workbook, whatever its name; let it end in what it is"
    whole = book(tmp_path / "b.xlsx", {"s": [HEADER, *ROWS * 50]}).read_bytes()
    for cut in range(60, len(whole), 97):
        path.write_bytes(whole[:cut])
        assert "a.xlsx: no readable workbook" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("text.csv", "a,b")
    assert "a.xlsx: no readable workbook" in refused(path)


def test_a_byte_that_changed_is_refused_or_does_no_harm(tmp_path: Path) -> None:
    path, rows = tmp_path / "a.xlsx", [(n, dict(zip(HEADER, row, strict=True))) for n, row in enumerate(ROWS, start=1)]
    whole = book(path, {"s": [HEADER, *ROWS]}).read_bytes()
    refusals = 0
    for at in range(0, len(whole), 61):
        for byte in (whole[at] ^ 1, whole[at] ^ 0x80):
            path.write_bytes(whole[:at] + bytes([byte]) + whole[at + 1 :])
            try:
                assert rows_of(path) in (rows, [])  # of a sheet that the directory has lost, no rows are told
            except InputError:
                refusals += 1
    assert refusals > 20


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", {"s": [HEADER, ("a" * 30_000, 1)] * 20})
    with pytest.raises(InputError, match="unpacks to"):
        list(read_rows(path, "a.xlsx", max_bytes=20_000))


def test_without_openpyxl_it_is_said_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04")
    assert ": needs openpyxl; pip install '.[excel]', or save the sheet as CSV UTF-8" in refused(tmp_path / "a.xlsx")


def test_a_first_line_of_numbers_and_gaps_is_no_fault_of_retones_own(tmp_path: Path) -> None:
    """It cannot name columns: twice nothing stands in it, and a number."""
    rows = [(None, 4.5, None, text) for text, _ in ROWS]
    with pytest.raises(InputError, match="column '' stands twice in the first line"):
        draft_card(book(tmp_path / "gaps.xlsx", {"s": rows}), tmp_path / "cards")
    texts = [(f"This is review number {place} of my shop", 4.5, 4.5) for place in range(4)]
    draft = draft_card(book(tmp_path / "numbers.xlsx", {"s": texts}), tmp_path / "cards") / "README.md"
    assert "header: false" in draft.read_text(encoding="utf-8") or "header: '?'" in draft.read_text(encoding="utf-8")
