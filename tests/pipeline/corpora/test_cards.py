"""Cards: the Hub's form, closed under ``retone``, confined to their folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.common.errors import InputError
from pipeline.corpora.cards import load_card, load_cards
from tests.cards import REVIEWS, write_card, write_reviews


def refused(folder: Path, data_root: Path | None = None) -> str:
    with pytest.raises(InputError) as caught:
        load_card(folder, data_root)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"card {folder.name}")
    return str(caught.value)


def test_a_card_says_where_its_rows_are_and_what_they_mean(tmp_path: Path) -> None:
    files = "[{split: train, path: b-*.csv}, {split: val, path: [v.csv]}, {split: test, path: sub/t.csv}]"
    folder = write_card(tmp_path / "shop", files, f"{REVIEWS}, drop: ['0', none]")
    (folder / "sub").mkdir()
    for name in ("b-2.csv", "b-1.csv", "v.csv", "sub/t.csv"):
        (folder / name).touch()
    card = load_card(folder)
    assert (card.name, card.pretty_name, card.role) == ("shop", "Toy", "reviews")
    assert card.columns == {"text": "text", "label": "stars"}
    assert card.classes == {"1": 0, "2": 0, "3": 1, "4": 2, "5": 2, "0": None, "none": None}
    assert {split: [path.name for path in paths] for split, paths in card.files.items()} == {
        "train": ["b-1.csv", "b-2.csv"],
        "dev": ["v.csv"],
        "test": ["t.csv"],
    }


def test_what_a_result_depends_on_is_the_meaning_and_the_files_not_the_prose(tmp_path: Path) -> None:
    folder = write_reviews(tmp_path / "shop")
    before = load_card(folder).reads()
    path = folder / "README.md"
    path.write_text(
        path.read_text().replace("---\npretty", "---\n# a comment\nsize_categories: n<1K\npretty") + "More prose.\n"
    )
    assert load_card(folder).reads() == before
    assert before["shop/reviews.csv"] == folder / "reviews.csv"
    path.write_text(path.read_text().replace("neutral: [3]", "neutral: [3, 0]"))
    assert load_card(folder).reads()["card shop"] != before["card shop"]


@pytest.mark.parametrize(
    ("line", "licence"), [("", None), ("license: mit\n", "mit"), ("license: [mit, cc0-1.0]\n", "mit, cc0-1.0")]
)
def test_a_licence_is_read_and_counts(tmp_path: Path, line: str, licence: str | None) -> None:
    folder = write_reviews(tmp_path / "shop")
    path, before = folder / "README.md", load_card(folder)
    path.write_text(path.read_text().replace("---\npretty", f"---\n{line}pretty"))
    assert load_card(folder).licence == licence
    assert (load_card(folder).identity == before.identity) is (licence is None)


@pytest.mark.parametrize(
    "path", ["../secret.csv", "/etc/passwd", "sub/../../secret.csv", "https://x.org/a.csv", "*/../../*"]
)
def test_a_path_may_not_leave_the_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.csv").write_text("text\nsecret\n")
    assert "leaves the card's folder" in refused(write_card(tmp_path / "shop", f"'{path}'", "role: informal"))


def test_a_link_may_not_leave_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("text\nsecret\n")
    folder = write_card(tmp_path / "shop", "'*.csv'", "role: informal")
    (folder / "a.csv").symlink_to(tmp_path / "secret.csv")
    assert "is a link that leaves" in refused(folder)


def test_data_elsewhere_needs_a_data_root_and_is_confined_to_it(tmp_path: Path) -> None:
    root = tmp_path / "data"
    (root / "corpus").mkdir(parents=True)
    (root / "corpus" / "a.txt").write_text("hi\n")
    (tmp_path / "secret.txt").write_text("secret\n")
    folder = write_card(tmp_path / "shop", "corpus/a.txt", "role: informal")
    assert "needs data_root" in refused(folder)
    assert load_card(folder, root).files == {"train": (root / "corpus" / "a.txt",)}
    assert load_card(folder, root).reads()["shop/a.txt"] == root / "corpus" / "a.txt"
    (root / "corpus" / "b.txt").symlink_to(tmp_path / "secret.txt")
    assert "is a link that leaves" in refused(write_card(folder, "corpus/b.txt", "role: informal"), root)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ("role: review", "retone.role: 'review' does not fit; it takes informal | reviews | general | pairs"),
        ("columns: {text: a}", "retone.role is needed; see data_cards/TEMPLATE.md"),
        ("role: informal, lables: {}", "unknown key retone.lables; did you mean labels?"),
        ("role: informal, columns: {label: stars}", "role informal has no label"),
        ("role: informal, labels: {neutral: 3}", "role informal has no labels"),
        ("role: reviews, labels: {negative: 1, neutral: 2}", "says nothing of positive"),
        (
            "role: reviews, labels: {negative: 1, neutral: 2, positve: 3}",
            "unknown class positve; did you mean positive?",
        ),
        ("role: reviews, labels: {negative: 1, neutral: 2, positive: [2, 3]}", "2 stands in two places"),
        ("role: reviews, columns: {text: stars, label: stars}", "retone.columns: stars stands in two places"),
        ("role: reviews, labels: {negative: no, neutral: 2, positive: 3}", "reads an unquoted yes, no"),
        (
            "role: reviews, labels: {negative: '?', neutral: 2, positive: 3}",
            "retone.labels.negative is still a question",
        ),
        ("role: informal, hub: {id: a/b, revision: main}", "is not a full commit hash"),
        ("role: informal, hub: {id: a/b, revison: x}", "unknown key retone.hub.revison; did you mean revision?"),
        ("role: informal, role: general", "key 'role' stands twice"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, own: str, message: str) -> None:
    folder = write_card(tmp_path / "shop", "a.txt", own)
    (folder / "a.txt").write_text("hi\n")
    assert message in refused(folder)


def test_an_unquoted_no_is_explained(tmp_path: Path) -> None:
    assert "language: 'no'" in refused(write_card(tmp_path / "c", "a.txt", "role: informal", extra="language: no\n"))


@pytest.mark.parametrize(
    ("front", "message"),
    [
        ("a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        (
            "a: &a [1]\n" + "\n".join(f"k{n}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]" for n in range(9)),
            "aliases",
        ),
        ("a: &a [*a]", "aliases"),
        ("a: 1\na: 2", "key 'a' stands twice"),
        ("- a list", "write a mapping"),
        ("a: [", "mend the YAML"),
    ],
)
def test_hostile_or_broken_yaml_is_refused(tmp_path: Path, front: str, message: str) -> None:
    (tmp_path / "README.md").write_text(f"---\n{front}\n---\n")
    assert message in refused(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"), [(b"# no front matter\n", "front matter"), (b"---\nx: \xff\n---\n", "byte 7")]
)
def test_a_readme_that_is_no_card(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "README.md").write_bytes(content)
    assert message in refused(tmp_path)
    (tmp_path / "README.md").unlink()
    assert "no README.md" in refused(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("nothing.csv", "no file nothing.csv"),
        ("[{split: holdout, path: a.txt}]", "unknown split holdout"),
        ("[a.txt, a.txt]", "named twice"),
        *(
            (f"a.txt, encoding: {name}", "unknown encoding")
            for name in ("latin-0", "base64", "idna", "undefined", '"a\\0"')
        ),
        ("a.txt, header: 1", "header is 1; it must be true, or false where the first row is data"),
        ("a.txt, header: '?'", "configs.header is still a question (?); write true or false"),
        ("a.txt, sepp: x", "unknown option sepp"),
        ("a.txt, sep: xx", "one character"),
        ("a.txt, encoding: utf-9", "unknown encoding"),
        ("[{split: train}]", "no path"),
        ("['data/**.csv']", "path data/**.csv: ** stands for folders, between slashes; write such as data/**/*.csv"),
        ("d" * 400, "d" * 60),
        ("a.txt, field: [data]", "configs: field is ['data']; it must be one name, in quotes"),
        ("a.txt, sheet: no", "configs: sheet is False; it must be one name, in quotes"),
    ],
)
def test_data_files_that_make_no_sense(tmp_path: Path, files: str, message: str) -> None:
    folder = write_card(tmp_path / "shop", files, "role: informal")
    (folder / "a.txt").write_text("hi\n")
    assert message in refused(folder)


def test_a_name_of_digits_needs_no_quotes(tmp_path: Path) -> None:
    folder = write_card(tmp_path / "shop", "a.txt, sheet: 2024, field: 2024-05-01", "role: informal")
    (folder / "a.txt").write_text("hi\n")
    assert (load_card(folder).reading.sheet, load_card(folder).reading.field) == ("2024", "2024-05-01")


def test_cards_are_found_by_name_or_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_reviews(tmp_path / "data_cards" / "shop")
    write_reviews(tmp_path / "mine" / "other")
    assert [card.name for card in load_cards(["shop", "mine/other"], None)] == ["shop", "other"]
    with pytest.raises(InputError, match=r"corpus shp: no folder .*; did you mean shop\? there are shop"):
        load_cards(["shp"], None)
    with pytest.raises(InputError, match="two cards have this name"):
        load_cards(["shop", "data_cards/shop"], None)


@pytest.mark.parametrize(
    ("name", "split", "rows"),
    [("reviews", "train", 5791), ("informal", "train", 10776), ("general", "train", 357), ("pairs", "test", 480)],
)
def test_plain_datasets_reads_the_shipped_cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, split: str, rows: int
) -> None:
    import datasets

    folder = Path(__file__).parents[3] / "data_cards" / f"starter-{name}"
    found = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))
    assert {key: len(value) for key, value in found.items()} == {split: rows}
    assert set(load_card(folder).columns.values()) <= set(found[split].column_names)
