"""Reading files: every value as written, and a number for whatever cannot be read."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.common.errors import InputError
from pipeline.corpora.cards import Reading
from pipeline.corpora.drafting import draft_card
from pipeline.corpora.readers import FORMATS, PLAIN, Format, formats, read_rows

ODD = ["NA", "null", "007", "nan", "", "a\nb", 'say "hi"', "1,5", "😂"]


def read(path: Path, reading: Reading = PLAIN, **limits: int) -> list[object]:
    return [row["text"] for _, row in read_rows(path, path.name, reading, **limits)]


def refused(path: Path, reading: Reading = PLAIN, **limits: int) -> str:
    with pytest.raises(InputError) as caught:
        read(path, reading, **limits)
    return str(caught.value)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def table(sep: str) -> str:
    quoted = ['"' + text.replace('"', '""') + '"' for text in ODD]
    return f"id{sep}text\r\n" + "".join(f"{number}{sep}{text}\r\n" for number, text in enumerate(quoted))


@pytest.mark.parametrize(("name", "sep"), [("a.csv", ","), ("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", "\t")])
def test_values_of_tables_stay_text(tmp_path: Path, name: str, sep: str) -> None:
    assert read(write(tmp_path / name, "\ufeff" + table(sep))) == ODD


def test_a_new_format_is_an_entry_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def texts(path: Path, place: str, reading: Reading, most: int) -> Iterator[tuple[int, dict[str, str]]]:
        yield from enumerate(({"text": part} for part in path.read_text("utf-8").split("%")), start=1)

    file = write(tmp_path / "notes.cookie", "it works well%the case is thin and it cracked")
    assert "no format is known by the name notes.cookie" in refused(file)
    monkeypatch.setitem(FORMATS, "cookie", Format(texts))
    assert read(file) == ["it works well", "the case is thin and it cracked"]
    assert "xlsx, cookie, plain or compressed (.gz" in formats()
    assert "cookie, plain" in refused(tmp_path / "notes.biscuit")
    with pytest.raises(InputError, match=r"no such file; name one of .*cookie"):
        draft_card(tmp_path / "none.csv", tmp_path)
    assert "path: notes.cookie" in (draft_card(file, tmp_path / "cards") / "README.md").read_text("utf-8")


@pytest.mark.parametrize("file", ["README.md", "data_cards/TEMPLATE.md"])
def test_people_are_told_of_every_format(file: str) -> None:
    told = re.split(r"[^a-z]+", (Path(__file__).parents[3] / file).read_text("utf-8"))
    assert [name for name in FORMATS if name not in told] == []


def test_json_in_its_three_forms(tmp_path: Path) -> None:
    rows = [{"text": text} for text in ODD]
    assert read(write(tmp_path / "a.jsonl", "\n\n".join(map(json.dumps, rows)) + "\n")) == ODD
    assert read(write(tmp_path / "a.json", json.dumps(rows, indent=1))) == ODD
    assert read(write(tmp_path / "b.json", "\n".join(map(json.dumps, rows)))) == ODD
    assert read(write(tmp_path / "c.json", json.dumps({"data": rows})), Reading(field="data")) == ODD


def test_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ODD}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == ODD
    packed = write(tmp_path / "b.parquet.gz", gzip.compress((tmp_path / "a.parquet").read_bytes()))
    assert read(packed) == ODD
    assert "no readable parquet" in refused(write(tmp_path / "c.parquet", b"PAR1 nonsense"))


def test_text_lines_and_compression(tmp_path: Path) -> None:
    import zstandard

    content = "one\r\ntwo 😂\n\nfour".encode()
    packed = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstandard.compress}
    for suffix, compress in packed.items():
        path = write(tmp_path / f"a.txt{suffix}", compress(content))
        assert read(path) == ["one", "two 😂", "", "four"]
        assert "damaged or not really" in refused(write(tmp_path / f"b.txt{suffix}", b"plain text, not packed"))
    cut = write(tmp_path / "c.txt.gz", gzip.compress(content * 1000)[:-40])
    assert "damaged or not really .gz" in refused(cut)


def test_row_numbers_count_rows_and_name_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,x\n"one\nmore",1\n\ntwo,2\n')
    assert list(read_rows(path, "a")) == [(1, {"text": "one\nmore", "x": "1"}), (2, {"text": "two", "x": "2"})]
    path = write(tmp_path / "b.csv", 'text,x\n"one\nmore",1\nragged\n')
    assert refused(path).startswith("b.csv, row 2 (line 4): 1 fields where the header has 2")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            'text,x\nok,1\n"never closed,2\nmore,3\n',
            'row 2 (line 3): a quote (") opens here and is never closed',
        ),
        ("a.csv", 'text,x\nok,1\n"a" b,2\n', 'row 2 (line 3): a quote (") ends inside a field'),
        ("a.csv", "text,text\na,b\n", "column 'text' stands twice"),
        ("a.csv", "," * 1_000_000 + "\na\n", "1,000,001 columns in the first line"),
        ("a.csv", b"text\nok\nol\xe9\n", "line 3, byte 10: not UTF-8"),
        ("a.txt", b"ok\na\x00b\n", "line 2: a NUL byte"),
        ("a.txt", "hi".encode("utf-16-le"), "line 1: a NUL byte"),
        ("a.txt", "hi\nho".encode("utf-16")[:-1], "line 2, byte 10: not UTF-16"),
        ("a.jsonl", '{"text": "a"}\n{"text": \n', "row 2 (line 2): no valid JSON"),
        ("a.jsonl", '{"text": "a"}\n["b"]\n', "row 2: no JSON object"),
        ("a.json", '{"rows": []}', "no column"),
        ("a.json", "[" * 100_000, "nested too deep"),
        ("a.ods", "PK", "no format is known by the name a.ods"),
        ("a.csv.zip", "PK", "archives are not opened"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    path = write(tmp_path / name, content)
    if message == "no column":
        with pytest.raises(KeyError):
            read(path)
    else:
        assert message in refused(path)


def test_a_long_cell_is_a_cell(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", f"text,x\n{'a' * 200_000},1\n")) == ["a" * 200_000]


def test_only_a_card_is_advised_to_say_how_to_read(tmp_path: Path) -> None:
    latin, quote = write(tmp_path / "a.csv", b"text\nol\xe9\n"), write(tmp_path / "b.csv", 'text\n"a\n')
    for path in (latin, quote):
        assert "in the card" not in refused(path)
        assert "beside data_files in the card" in refused(path, Reading(of_card=True))


def test_the_card_may_say_how_to_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text|x\n"open|1\n'.encode("latin-1"))
    assert read(path, Reading(sep="|", quoting=3)) == ['"open']
    assert read(write(tmp_path / "b.csv", "text\nolé\n".encode("latin-1")), Reading(encoding="latin-1")) == ["olé"]
    assert read(write(tmp_path / "c.txt", "olé\nb\n".encode("utf-16")), Reading(encoding="utf-16")) == ["olé", "b"]


def test_utf16_without_its_mark_is_told_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text\nolé\n".encode("utf-16-le"))
    assert read(path, Reading(encoding="utf-16-le")) == ["olé"]
    assert "not UTF-16 (UTF-16 stream does not start with BOM)" in refused(path, Reading(encoding="utf-16"))


def test_a_line_longer_than_a_piece_is_a_line(tmp_path: Path) -> None:
    texts = ["é" * 3_000_000, "b", "c" * 1_500_000]
    assert read(write(tmp_path / "a.txt", "\r\n".join(texts))) == texts
    broken = "\n".join(texts).encode() + b"\n\xff"
    assert "line 4, byte 7500004: not UTF-8" in refused(write(tmp_path / "a.txt", broken))


def test_a_decompression_bomb_is_stopped_early(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt.gz", gzip.compress(b"\0" * 200_000_000, 1))
    began = time.monotonic()
    assert "unpacks to more than 1,000,000 bytes" in refused(path, max_bytes=1_000_000)
    assert time.monotonic() - began < 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "cannot be read (No such file or directory)" in refused(tmp_path / "a.csv")


def test_a_line_without_an_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.corpora.lines._LONGEST_LINE", 2 << 20)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"short\n" + b"x" * (10 << 20)))
    with pytest.raises(InputError, match=r"it, line 2: longer than 2,097,152 characters; is it text, a row a line\?"):
        list(read_rows(tmp_path / "a.txt.gz", "it"))
