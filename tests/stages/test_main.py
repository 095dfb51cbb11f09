"""The command line as a whole, and ``predict`` on a toy classifier."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.common.labels import LABELS
from pipeline.machine import cli
from pipeline.predictor import Predictor
from stages.__main__ import build
from tests import toys
from tests.cards import REVIEWS, write_card, write_reviews

ROOT = Path(__file__).parents[2]
HEAVY = ["torch", "transformers", "datasets", "evaluate", "sklearn", "pandas", "matplotlib"]


@pytest.fixture(scope="module")
def classifier(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from pipeline.models import loading

    folder = tmp_path_factory.mktemp("classifier") / "model"
    loading.save(loading.load_classifier(toy_model), loading.load_tokenizer(toy_model), folder, emoji="words")
    return folder


def call(*arguments: object) -> int:
    return cli.main(build(), [str(each) for each in arguments])


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_each_text_gets_a_label_and_a_score_in_order(
    classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in.csv"
    source.write_text('id,body,shift\n1,good food,-1.5\n2,"=HYPERLINK(""x"")",+1\n3, ,\n4,good food,@x\n', "utf-8")
    out = tmp_path / "out.csv"
    assert call("predict", source, "--model", classifier, "--text-column", "body", "-o", out) == 0
    header, *found = rows(out.read_text("utf-8"))
    assert header == ["id", "body", "shift", "label", *LABELS]
    assert [row[0] for row in found] == ["1", "2", "3", "4"]
    assert [row[1] for row in found] == ["good food", '\'=HYPERLINK("x")', " ", "good food"]
    assert [row[2] for row in found] == ["-1.5", "+1", "", "'@x"]
    for row in found[:2]:
        shares = [float(cell) for cell in row[4:]]
        assert shares[LABELS.index(row[3])] == max(shares)  # as printed, two may be alike
        assert sum(shares) == pytest.approx(1, abs=2e-4)
    assert found[0][3:] == found[3][3:]
    assert found[2][3:] == ["", "", "", ""]  # no text, no label
    said = f"4 rows in {out}, label and probabilities added; 1 without text got no label. How far to trust"
    assert capsys.readouterr().err.startswith(said)
    assert list(tmp_path.glob("*.part")) == []


def test_formulas_are_said_once_and_excel_gets_its_mark(
    classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_text('text,more\n"=1+1",@x\ngood 😂,ok\n', "utf-8")
    out = tmp_path / "out.csv"
    assert call("predict", tmp_path / "in.csv", "--model", classifier, "-o", out, "--excel") == 0
    assert out.read_bytes().startswith(b"\xef\xbb\xbftext,more,label")
    said = capsys.readouterr().err.splitlines()
    assert said[1:] == ["2 cells that a spreadsheet would run as formulas got an apostrophe (') before them"]


def test_half_an_emoji_beside_the_text_stops_nothing(
    classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "good", "by": "a\\ud83d"}\n{"text": "bad", "by": "b"}\n', "utf-8")
    assert call("predict", tmp_path / "in.jsonl", "--model", classifier) == 0
    assert [row[:2] for row in rows(capsys.readouterr().out)] == [["text", "by"], ["good", "a\ufffd"], ["bad", "b"]]


@pytest.mark.parametrize("terminal", [True, False])
def test_cells_steer_no_terminal_and_files_have_them_as_they_were(
    classifier: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
) -> None:
    source = tmp_path / "in.csv"
    source.write_text("id,text\n\x1b[2J1,good \x1b]0;title\x07food\n", "utf-8")
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    assert call("predict", source, "--model", classifier) == 0
    assert ("\x1b" in capsys.readouterr().out) is not terminal


def test_columns_of_the_file_are_never_overwritten(
    classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "good", "label": 5}\n{"text": "bad", "predicted_neutral": [1]}\n', "utf-8")
    assert call("predict", source, "--model", classifier) == 0
    header, one, two = rows(capsys.readouterr().out)
    ours = [f"predicted_predicted_{name}" for name in ("label", *LABELS)]
    assert header == ["text", "label", "predicted_neutral", *ours]
    assert (one[:3], two[:3]) == (["good", "5", ""], ["bad", "", "[1]"])


def test_a_tsv_is_written_with_tabs(classifier: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("good, cheap\n", "utf-8")
    assert call("predict", tmp_path / "in.txt", "--model", classifier, "-o", tmp_path / "out.tsv") == 0
    header, row = (line.split("\t") for line in (tmp_path / "out.tsv").read_text("utf-8").splitlines())
    assert (header[:2], row[0]) == (["text", "label"], "good, cheap")


def test_a_csv_keeps_its_separator(classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text('text;n\n"good; cheap";1,5\n', "utf-8")
    for name, separator in (("out.csv", ";"), ("out", ";"), ("out.tsv", "\t")):
        assert call("predict", tmp_path / "in.csv", "--model", classifier, "-o", tmp_path / name) == 0
        header, row = csv.reader((tmp_path / name).read_text("utf-8").splitlines(), delimiter=separator)
        assert (header, row[:2]) == (["text", "n", "label", *LABELS], ["good; cheap", "1,5"])
        assert capsys.readouterr().err.startswith(f"1 row in {tmp_path / name}, label and probabilities added")


@pytest.mark.parametrize("name", ["out.csv", "out.tsv"])
def test_a_cell_of_two_lines_stays_one_row(classifier: Path, tmp_path: Path, name: str) -> None:
    lines = [{"text": f"good{end}food", "n": "1"} for end in ("\r", "\n", "\r\n", "\u2028", "\x85")]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    assert call("predict", tmp_path / "in.jsonl", "--model", classifier, "-o", tmp_path / name) == 0
    with (tmp_path / name).open(encoding="utf-8", newline="") as stream:
        _, *found = csv.reader(stream, delimiter="\t" if name.endswith(".tsv") else ",")
    assert [row[0] for row in found] == [line["text"] for line in lines]


def test_a_file_of_empty_texts_is_no_error(classifier: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,n\n,1\n ,2\n", "utf-8")
    assert call("predict", tmp_path / "in.csv", "--model", classifier, "-o", tmp_path / "out.csv") == 0
    assert rows((tmp_path / "out.csv").read_text())[1:] == [["", "1", "", "", "", ""], [" ", "2", "", "", "", ""]]


def test_texts_are_read_as_the_model_was_taught(
    classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in.txt"
    source.write_text("good &amp; bad 😂\ngood & bad face with tears of joy\n", "utf-8")
    assert call("predict", source, "--model", classifier) == 0
    _, one, two = rows(capsys.readouterr().out)
    assert one[1:] == two[1:]
    assert one[0] == "good &amp; bad 😂"


def test_long_texts_are_cut_and_counted(classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(json.dumps({"text": text}) for text in ("good " * 3000, "bad")), "utf-8")
    assert call("predict", source, "--model", classifier) == 0
    assert "1 of 2 texts are longer than 128 word pieces" in capsys.readouterr().err


def test_standard_input_is_a_text_a_line_which_ends_where_those_of_files_do(
    classifier: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """str.splitlines would cut at form feeds, U+0085 and U+2028 too: people paste texts that hold them."""
    texts = ["good\u2028food", "bad\x0cfood", "so\x85so", "\x1emeh", "", "last"]
    given = io.BytesIO("\ufeff{}\n{}\r\n{}\r{}\n{}\n{}".format(*texts).encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(given))
    assert call("predict", "-", "--model", classifier) == 0
    assert [row[0] for row in rows(capsys.readouterr().out)] == ["text", *texts]


def test_numbers_are_texts_and_what_is_missing_gets_no_label(
    classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": 7, "n": NaN}\n{"text": NaN, "n": 1}\n{"text": null}\n', "utf-8")
    assert call("predict", tmp_path / "in.jsonl", "--model", classifier) == 0
    _, *found = rows(capsys.readouterr().out)
    assert [row[:2] for row in found] == [["7", ""], ["", "1"], ["", ""]]
    assert [bool(row[2]) for row in found] == [True, False, False]


def test_as_much_is_read_as_in_training(classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pipeline.models import loading

    tokenizer = loading.load_tokenizer(classifier)
    tokenizer.model_max_length = 16
    loading.save(loading.load_classifier(classifier), tokenizer, tmp_path / "model", emoji="none")
    (tmp_path / "in.txt").write_text("good " * 14 + "\n" + "good " * 15 + "\n", "utf-8")
    for more, says in {
        (): "1 of 2 texts are longer than 16",
        ("--max-length", "99"): "than 16",
        ("--max-length", "8"): "2 of 2 texts are longer than 8",
    }.items():
        assert call("predict", tmp_path / "in.txt", "--model", tmp_path / "model", *more) == 0
        assert says in capsys.readouterr().err


def test_where_it_was_broken_off_the_same_command_goes_on(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.corpora.new_texts.CHUNK_ROWS", 3)
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    texts = ["good food", "", "bad " * 200, "=1+1", "so 😂", "meh", "bad food", "good food", "x", "y"]
    source.write_text("text,n\n" + "".join(f'"{text}",{n}\n' for n, text in enumerate(texts)), "utf-8")
    command = ["predict", source, "--model", classifier, "--excel", "-o"]
    assert call(*command, tmp_path / "whole.csv") == 0
    said = capsys.readouterr().err
    asked: list[int] = []

    def until_third(self: Predictor, texts: list[str]) -> object:
        asked.append(len(texts))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return answer(self, texts)

    answer = Predictor.in_bulk
    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "in_bulk", until_third)
        assert call(*command, out) == 130
    assert "stopped after 6 of 10 rows; the same command goes on from there" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in.csv",
        "out.csv.part",
        "out.csv.part.json",
        "whole.csv",
    ]
    with (tmp_path / "out.csv.part").open("a", encoding="utf-8") as torn:
        torn.write("half a row, as a kill would leave")
    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "in_bulk", lambda self, texts: (asked.append(len(texts)), answer(self, texts))[1])
        assert call(*command, out) == 0
    assert asked == [3, 3, 3, 3, 1]
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    first, *rest = capsys.readouterr().err.splitlines()
    assert first == "going on after the 6 rows that an earlier try has labelled"
    assert rest == said.replace("whole.csv", "out.csv").splitlines()
    assert [path.name for path in tmp_path.glob("out*")] == ["out.csv"]
    assert call(*command, out) == 2  # it is whole, and may have been worked on
    assert capsys.readouterr().err == f"output {out}: is there already; name another file, or remove it\n"
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize(("keeps_more", "advised"), [(None, "careful"), ("naive", "naive"), ("full", None)])
def test_another_arm_that_the_report_advises_is_named(
    classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], keeps_more: str | None, advised: str | None
) -> None:
    for name in ("model", "models/careful"):
        shutil.copytree(classifier, tmp_path / "report" / name)
    told = {
        "final_arm": "full",
        "recommendation": {"arm": "careful", "keeps_more": keeps_more},
        "arms": {arm: {"model": f"models/{arm}"} for arm in ("naive", "careful", "full")},
    }
    (tmp_path / "report" / "report.json").write_text(json.dumps(told), "utf-8")
    (tmp_path / "latest").symlink_to("report")
    (tmp_path / "in.txt").write_text("good\n")
    model = tmp_path / "latest" / "model"
    assert call("predict", tmp_path / "in.txt", "--model", model) == 0
    said = f"model {model} is full's, and its report advises {advised}: --model {tmp_path / 'latest/models'}/{advised}"
    assert capsys.readouterr().err.splitlines()[:-1] == ([said] if advised else [])
    assert call("predict", tmp_path / "in.txt", "--model", tmp_path / "latest" / "models" / "careful") == 0
    (tmp_path / "report" / "report.json").write_text('{"recommendation": [], "final_arm": 0}')
    assert call("predict", tmp_path / "in.txt", "--model", model) == 0
    assert "advises" not in capsys.readouterr().err


def test_what_an_earlier_try_labelled_of_another_file_does_not_count(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.corpora.new_texts.CHUNK_ROWS", 1)
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"

    def broken(self: Predictor, texts: list[str]) -> object:
        if texts == ["bad"]:
            raise KeyboardInterrupt
        return answer(self, texts)

    answer = Predictor.in_bulk
    source.write_text("text\ngood\nbad\n")
    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "in_bulk", broken)
        assert call("predict", source, "--model", classifier, "-o", out) == 130
    source.write_text("text\nfine\nbad\n")
    assert call("predict", source, "--model", classifier, "-o", out) == 0
    assert [row[0] for row in rows(out.read_text())] == ["text", "fine", "bad"]


def test_chunks_that_are_labelled_side_by_side_are_written_in_order(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.corpora.new_texts.CHUNK_ROWS", 3)
    texts = ["good food", "", "bad " * 20, "=1+1", "so 😂", "meh", "bad food", "good food", "x", "y"] * 3
    (tmp_path / "in.csv").write_text("text,n\n" + "".join(f'"{text}",{n}\n' for n, text in enumerate(texts)), "utf-8")
    for name, more in (("one.csv", ()), ("two.csv", ("--jobs", 2))):
        assert call("predict", tmp_path / "in.csv", "--model", classifier, "-o", tmp_path / name, *more) == 0
    assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


def test_an_input_that_changes_while_it_is_read_is_refused(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text\ngood\nbad\n")

    def shortened(*given: object) -> Predictor:
        source.write_text("text\ngood\n")
        return Predictor(classifier)

    monkeypatch.setattr("pipeline.predictor.Predictor", shortened)
    assert call("predict", source, "--model", classifier, "-o", tmp_path / "out.csv") == 2
    assert "was changed while it was read; run the same again" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_input_that_cannot_be_used_is_one_line(
    classifier: Path,
    toy_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("two.csv").write_text("a,b\n1,2\n")
    Path("empty.txt").write_text("")
    Path("latin.txt").write_bytes("caf\xe9".encode("latin-1"))
    Path("ok.txt").write_text("good")
    Path("list.jsonl").write_text('{"text": "a"}\n{"text": ["b"]}\n')
    Path("dict.jsonl").write_text('{"text": {"body": "b"}}\n')
    Path("bool.jsonl").write_text('{"text": true}\n')
    Path("half.jsonl").write_text('{"text": "so \\ud83d"}\n')
    Path("keys.jsonl").write_text('{"text": "a"}\n{"body": "b"}\n')
    Path("pickle").mkdir()
    Path("pickle/config.json").write_text('{"model_type": "bert"}')
    Path("pickle/pytorch_model.bin").write_bytes(b"\x80")
    before = {path.name for path in tmp_path.iterdir()}
    for arguments, says in {
        ("gone.csv", "--model", classifier): "input gone.csv: cannot be read (No such file or directory)",
        ("gone.csv",): "input gone.csv: cannot be read (No such file or directory)",
        (".",): "input .: cannot be read (Is a directory)",
        ("two.csv", "--model", classifier): "no column text; name one with --text-column, there are: a, b",
        ("empty.txt", "--model", classifier): "input empty.txt: no texts in it",
        ("latin.txt", "--model", classifier): "not UTF-8; save the file as UTF-8, as with `iconv -f latin1",
        ("list.jsonl", "--model", classifier): "input list.jsonl, row 2: a list where a text belongs",
        ("dict.jsonl", "--model", classifier): "input dict.jsonl, row 1: a dict where a text belongs",
        ("bool.jsonl", "--model", classifier): "input bool.jsonl, row 1: a bool where a text belongs",
        ("half.jsonl", "--model", classifier): "row 1: half an emoji (a lone surrogate) at character 3",
        ("keys.jsonl", "--model", classifier): "input keys.jsonl, row 2: no column text; name one with --text-column",
        ("ok.txt",): "model artifacts/latest/model: none there yet; make one with `make all`",
        ("ok.txt", "--model", "pickle"): "a pickle, which can run code when loaded",
        ("ok.txt", "--model", toy_model): "its classes are not negative, neutral, positive",
        ("ok.txt", "--model", classifier, "-o", "no/where.csv"): "output no/where.csv: cannot be written",
        ("ok.txt", "--model", classifier, "-o", "x.xlsx"): "output x.xlsx: CSV is written, and .tsv; let its name end",
        ("ok.txt", "--model", classifier, "-o", "x.csv.gz"): "output x.csv.gz: CSV is written, and .tsv",
        ("ok.txt", "--model", classifier, "-o", "/dev/null"): "output /dev/null: is no file; name one",
        ("ok.txt", "--model", classifier, "--engine", "ray"): "--engine ray: what a cluster prints would stand between",
        ("ok.txt", "--model", classifier, "-o", "ok.txt"): "output ok.txt: is the input; name another file",
    }.items():
        assert call("predict", *arguments) == 2, arguments
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert says in err
        assert " card" not in err
    assert {path.name for path in tmp_path.iterdir()} == before


def test_cards_shows_rows_of_each_and_fails_where_one_is_not_in_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("cards", ROOT / "data_cards") == 0
    out = capsys.readouterr().out
    assert re.search(r"^starter-reviews  reviews  [\d,]+ train", out, re.M)
    assert out.count("\n    ") == 4 * 5
    assert out.endswith("4 cards, all in order\n")
    (tmp_path / "shop.csv").write_text("body,stars\ngood,5\n", "utf-8")
    assert call("new-card", tmp_path / "shop.csv", "--into", tmp_path / "cards") == 0
    out = capsys.readouterr().out
    assert f"drafted {tmp_path / 'cards' / 'shop' / 'README.md'}; data" in out
    last = f"look it over, then run .venv/bin/python -m stages cards {tmp_path / 'cards'}\n"
    assert out.endswith(f"no question is open\n    informal  good\n{last}")
    (tmp_path / "codes.csv").write_text("body,stars\ngood,1\nfine,0\n", "utf-8")
    assert call("new-card", tmp_path / "codes.csv", "--into", tmp_path / "more") == 0
    out = capsys.readouterr().out
    assert "3 questions are open:\n    - labels.negative: which values of stars mean negative? There are: 1" in out
    last = f"look it over, answer each `?`, then run .venv/bin/python -m stages cards {tmp_path / 'more'}\n"
    assert out.endswith(f"      - 0: fine\n      - 1: good\n{last}")
    (tmp_path / "cards" / "shop" / "shop.csv").write_bytes(b"body,stars\ncaf\xe9,5\n")
    assert call("cards", tmp_path / "cards") == 2
    out, err = capsys.readouterr()
    assert out == "shop  not in order\n"
    assert err.startswith("card shop")
    (tmp_path / "cards" / "shop" / "shop.csv").write_text("text\nhi\n", "utf-8")
    front = "configs: [{data_files: [{split: train, path: shop.csv}]}]\nretone: {role: informal}"
    (tmp_path / "cards" / "shop" / "README.md").write_text(f"---\nlicense: mit\n{front}\n---\n", "utf-8")
    assert call("cards", tmp_path / "cards") == 0
    assert not (tmp_path / "cards" / "README.md").exists()
    assert call("cards", tmp_path / "cards", "--write") == 0
    assert capsys.readouterr().out.endswith(f"wrote {tmp_path / 'cards' / 'README.md'}\n")
    assert "| [shop](shop/README.md) | informal |" in (tmp_path / "cards" / "README.md").read_text("utf-8")
    card = (tmp_path / "cards" / "shop" / "README.md").read_text("utf-8")
    assert call("cards", tmp_path / "cards" / "shop") == 0
    assert call("cards", tmp_path / "cards" / "shop", "--write") == 2
    assert (tmp_path / "cards" / "shop" / "README.md").read_text("utf-8") == card
    assert "is a card, whose README.md is its own" in capsys.readouterr().err
    assert call("new-card", tmp_path / "gone.csv") == 2
    assert "gone.csv: no such file" in capsys.readouterr().err


def test_an_arm_that_the_report_cannot_find_is_told_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    changes = "report.final_arm=ful"
    assert call("run", "--set", changes, "--dry-run") == 2
    assert "report.final_arm: no arm ful in this run; choose one of naive, careful" in capsys.readouterr().err
    assert call("run", "--set", "report.across=finetune.freezing.layer", "--dry-run") == 2
    assert "report.across: no setting finetune.freezing.layer; did you mean" in capsys.readouterr().err


def test_a_key_without_its_stage_is_told_where_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "--dry-run", "--set", "learning_rate=5e-5", "--set", "arms.naive.finetune.layers=2") == 2
    of_both, of_one = capsys.readouterr().err.splitlines()
    assert of_both.endswith("did you mean source.learning_rate, pretrain.learning_rate or finetune.learning_rate?")
    assert of_one.endswith("did you mean arms.naive.finetune.freezing.layers?")


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (REVIEWS.replace("{label: stars}", "{label: stars, text: txt}"), ", row 1: no column txt; write the right one"),
        (REVIEWS.replace("positive: [4, 5]", "positive: [4]"), "shop: 30 rows have label 5, which belongs to no class"),
    ],
)
def test_a_card_that_cannot_be_read_is_told_by_a_dry_run_in_the_line_of_a_real_one(
    own: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = write_reviews(tmp_path / "shop", per_class=30)
    lines = (card / "reviews.csv").read_text(encoding="utf-8").splitlines()
    (card / "reviews.csv").write_text(
        "\n".join([lines[0], *lines[:0:-1]]), encoding="utf-8"
    )  # those with 5 stars first
    write_card(card, "reviews.csv", own)
    told = ("run", "--store", tmp_path / "store", "--set", f"prepare.corpora=[{card}]", "prepare")
    lines = []
    for more in (["--dry-run"], []):
        assert call(*told, *more) == 2
        lines.append(capsys.readouterr().err)
    assert said in lines[0]
    assert lines[0] == lines[1]


@pytest.mark.parametrize(
    ("corpora", "changes", "says"),
    [
        ("starter-informal, starter-general", "", ["recipe mine: prepare.corpora: finetune learns from reviews, and"]),
        ("starter-reviews", "pretrain.replay_share=0 pretrain.include_reviews=true", []),
        (
            "starter-reviews",
            "pretrain.include_reviews=false",
            ["recipe mine, adapted, full: prepare.corpora: pretrain.num_train_epochs above 0 and replay_share below"],
        ),
        (
            "starter-informal",
            "",
            [
                "recipe mine, adapted, full: prepare.corpora: pretrain.replay_share above 0 asks for general text, and "
                "none of starter-informal has the role general; add a card that has, such as starter-general",
                "recipe mine: prepare.corpora: finetune learns from reviews",
            ],
        ),
        ("starter-reviews, starter-general", "pretrain.replay_share=1", []),
    ],
)
def test_corpora_that_a_recipe_lacks_are_named_before_anything_runs(
    corpora: str,
    changes: str,
    says: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ROOT)
    recipe = tmp_path / "mine.yaml"
    free = "finetune: {frontier: {budget: null}}"  # which asks for general text, too
    recipe.write_text(f"extends: starter\nprepare: {{corpora: [{corpora}]}}\n{free}\n", "utf-8")
    wanted = ("run", "--recipe", recipe, "--dry-run", "--store", tmp_path / "store", "--set", changes or "seeds=[0]")
    assert call(*wanted) == (2 if says else 0)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(says)
    assert all(line.startswith(start) for line, start in zip(lines, says, strict=True))
    assert call(*wanted[:1], "prepare", *wanted[1:]) == 0  # which needs no role


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ("source.model={toy}", ["finetune.freezing.layers: 3 of a base with 2 layers", "pretrain.freezing.layers: 3"]),
        ("source.model={toy} finetune.freezing.layers=2 pretrain.freezing.layers=0", []),
        (
            "source.model={toy} finetune.freezing.layers=2 pretrain.freezing.layers=0 finetune.max_length=200",
            ["finetune.max_length: 200 of a base with 128 positions; give 128 or less"],
        ),
        ("finetune.method=lora finetune.freezing.layers=6", ["6 of a base with 6 layers leaves no layer for LoRA"]),
        ("source.model=scratch source.num_attention_heads=7", ["384 is no multiple of num_attention_heads 7"]),
    ],
)
def test_numbers_that_the_base_cannot_keep_are_named_before_anything_runs(
    toy_model: Path,
    tmp_path: Path,
    changes: str,
    says: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ROOT)
    told = changes.format(toy=toy_model)
    assert call("run", "--dry-run", "--store", tmp_path / "store", "--set", told) == (2 if says else 0)
    err = capsys.readouterr().err
    assert [each for each in says if each not in err] == []


def test_saying_where_things_stand_imports_nothing_heavy(toy_model: Path) -> None:
    code = f"""
import sys
from stages import STORY
from stages.__main__ import build
for stage in STORY:
    stage.reads(stage.settings_type(**({{"model": {str(toy_model)!r}}} if stage.name == "source" else {{}})))
print([name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def test_models_are_ranked_by_a_cards_training_texts(
    toy_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = write_reviews(tmp_path / "toy", per_class=40)
    again = toys.write_toy_model(tmp_path / "again", seed=1)
    assert call("rank", toy_model, again, "--corpus", card) == 0
    out, err = capsys.readouterr()
    assert f"asking {again}, model 2 of 2, about 84 texts" in err
    table, *_ = out.split("\n\n")
    title, header, *lines = table.splitlines()
    assert title == "Models to start from, by 84 labelled training texts"  # 0.7 of 120: dev and test are not asked
    assert header.split("  ")[1] == "model"
    assert {line.split()[0] for line in lines} == {str(toy_model), str(again)}
    posts = write_card(tmp_path / "posts", "posts.txt", "role: informal")
    (posts / "posts.txt").write_text("".join(f"a post with the number {number}\n" for number in range(40)), "utf-8")
    assert call("rank", toy_model, "--corpus", posts) == 2
    said = f"corpus {posts}: no labelled training texts; name a card with role reviews"
    assert capsys.readouterr().err.splitlines()[-1] == said


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("{place}/none", "model {place}/none: folder {place}/none not found"),
        ("{place}", "model {place}: no tokenizer.json or vocab.txt"),
        ("scratch", "model scratch: has no weights before a run makes them; name its folder"),
    ],
)
def test_what_is_no_model_is_refused_before_the_corpus_is_read(
    toy_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, said: str
) -> None:
    assert call("rank", toy_model, model.format(place=tmp_path), "--corpus", tmp_path / "nothing") == 2
    assert capsys.readouterr().err.startswith(said.format(place=tmp_path))


def test_a_corpus_that_lacks_a_class_is_not_ranked_by(
    toy_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = write_card(tmp_path / "one", "r.csv", REVIEWS)
    (card / "r.csv").write_text("text,stars\n" + "".join(f"food number {n},3\n" for n in range(40)), "utf-8")
    assert call("rank", toy_model, "--corpus", card) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "card one: class negative has 0 rows, needs 10; add some"
    assert call("rank", toy_model, "--corpus", tmp_path / "nothing") == 2
    assert "no folder" in capsys.readouterr().err
