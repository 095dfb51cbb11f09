"""How a model reads: by its emoji mode, its longest text, and raw texts as if they had been prepared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.common.errors import InputError
from pipeline.models import loading, reader
from pipeline.models.batches import Ragged
from pipeline.models.reader import Reader, chunks
from tests.toys import SENTENCES


@pytest.fixture(scope="module")
def plain(toy_model: Path) -> Reader:
    return Reader.of(toy_model)


def lists(ids: Ragged) -> list[list[int]]:
    return [row.tolist() for row in ids]


def test_emoji_are_words_for_a_model_taught_so(plain: Reader) -> None:
    words = replace(plain, emoji="words")
    assert words.text("hi😂") == "hi face with tears of joy"
    assert plain.text("hi😂") == replace(plain, emoji="all").text("hi😂") == "hi😂"
    assert lists(words.ids(["good😂"])) == lists(plain.ids(["good face with tears of joy"]))
    assert lists(words.plain_ids(["good😂"])) == lists(plain.ids(["good😂"]))


def test_a_folder_says_how_its_model_reads(toy_model: Path, tmp_path: Path, plain: Reader) -> None:
    assert (plain.emoji, plain.max_length) == ("none", 128)
    tokenizer = loading.load_tokenizer(toy_model)
    tokenizer.model_max_length = 20
    loading.save(loading.load_classifier(toy_model), tokenizer, tmp_path, emoji="words")
    found = Reader.of(tmp_path)
    assert (found.emoji, found.max_length, Reader.of(tmp_path, 9).max_length) == ("words", 20, 9)
    (tmp_path / "retone.json").write_text("{")
    with pytest.raises(InputError, match=r"retone\.json cannot be read"):
        Reader.of(tmp_path)


def test_a_folder_says_what_is_not_cleaned_and_raw_texts_are_read_so(toy_model: Path, tmp_path: Path) -> None:
    tokenizer, raw = loading.load_tokenizer(toy_model), "goooooood &amp; bad @shop"
    for folder, uncleaned in ((tmp_path / "usual", ()), (tmp_path / "left", ("elongation", "names"))):
        loading.save(loading.load_classifier(toy_model), tokenizer, folder, emoji="none", uncleaned=uncleaned)
    assert (tmp_path / "usual" / "retone.json").read_text() == '{"emoji": "none"}\n'
    usual, left = Reader.of(tmp_path / "usual"), Reader.of(tmp_path / "left")
    assert (usual.cleaned(raw), left.cleaned(raw)) == ("goood & bad @user", "goooooood & bad @shop")
    assert lists(left.raw_ids([raw])) == lists(left.ids(["goooooood & bad @shop"]))
    for told in ('["linkz"]', '"links"'):
        (tmp_path / "left" / "retone.json").write_text(f'{{"uncleaned": {told}}}')
        with pytest.raises(InputError, match=r"retone\.json says uncleaned .*no rule; did you mean links\?"):
            Reader.of(tmp_path / "left")


def test_ids_are_those_of_each_text_alone_cut_at_the_end(plain: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CHUNK", 3)
    short = replace(plain, max_length=8)
    found = short.ids(SENTENCES)
    assert {row.dtype for row in found} == {np.dtype(np.int32)}
    whole = [plain.tokenizer(text)["input_ids"] for text in SENTENCES]
    assert min(map(len, whole)) > 8
    assert lists(found) == [row[:7] + row[-1:] for row in whole]
    assert lists(plain.ids(SENTENCES)) == whole
    assert lists(plain.ids([])) == []


def test_raw_texts_are_cleaned_as_prepare_does(plain: Reader) -> None:
    raw, cleaned = "goooooood &amp; bad @shop http://a.b", "goood & bad @user http"
    assert lists(plain.raw_ids([raw])) == lists(plain.ids([cleaned])) != lists(plain.plain_ids([raw]))


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["a", ""], "text 2: nothing to read in it"),
        (["a", " \u200b\n", ""], "text 2: nothing to read in it"),
        (["a", "b", None], "text 3: a NoneType where a text belongs"),
        ([float("nan")], "text 1: a float where a text belongs"),
        ([b"a"], "text 1: a bytes where a text belongs"),
        ([["a"]], "text 1: a list where a text belongs"),
    ],
)
def test_what_is_no_text_is_refused_by_its_place(plain: Reader, texts: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        plain.raw_ids(texts)


def test_no_more_can_be_read_than_the_model_has_positions(toy_model: Path) -> None:
    assert Reader.of(toy_model, 128).max_length == 128
    with pytest.raises(InputError, match="max_length: 129 of a model with 128 positions; give 128 or less"):
        Reader.of(toy_model, 129)


def test_names_of_emoji_are_in_the_language_that_the_folder_says(toy_model: Path, tmp_path: Path) -> None:
    tokenizer = loading.load_tokenizer(toy_model)
    loading.save(loading.load_classifier(toy_model), tokenizer, tmp_path, emoji="words", language="de")
    reader = Reader.of(tmp_path)
    assert reader.text("gut 😂") == "gut gesicht mit freudentränen"
    assert reader.how == {"emoji": "words", "uncleaned": (), "language": "de"}
    (tmp_path / "retone.json").write_text('{"emoji": "words", "language": "xx"}', encoding="utf-8")
    with pytest.raises(InputError, match=r"retone.json says language 'xx', in which emoji have no names; mend it"):
        Reader.of(tmp_path)


def test_chunks() -> None:
    assert list(chunks(iter("abcde"), 2)) == [["a", "b"], ["c", "d"], ["e"]]
    assert list(chunks([], 2)) == []
