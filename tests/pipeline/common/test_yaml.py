from pathlib import Path

import pytest

from pipeline.common.errors import InputError
from pipeline.common.yaml import as_plain, flat, parse_mapping, read_mapping


def test_plain_data_is_read_as_it_stands() -> None:
    assert parse_mapping("a: 1\nb: [x, 'no']\nc: {d: null}", "recipe r") == {"a": 1, "b": ["x", "no"], "c": {"d": None}}


def test_an_empty_document_is_an_empty_mapping() -> None:
    assert parse_mapping("# nothing yet\n", "recipe r") == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3", "recipe r line 3: key 'a' stands twice"),
        ("x:\n  y: 1\n  y: 2", "recipe r line 3: key 'y' stands twice"),
        ("no: 1", "recipe r line 1: key 'no' is read as False; quote it"),
        ("3: 1", "key '3' is read as 3; quote it"),
        ("a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("a: &x [1, 2]\nb: *x", "recipe r line 2: aliases (*name) are not allowed"),
        ("a: [1, 2", "recipe r line 1"),
        ("- 1\n- 2", "holds list, not `key: value` lines"),
        ("a: \x00", "not valid YAML"),
        ("[" * 5000, "nested too deeply"),
        ("a: !!int ''", "not valid YAML"),
        ("a: !!bool x", "not valid YAML"),
        ("a: !!timestamp 2001-99-99", "not valid YAML"),
    ],
)
def test_what_is_not_plain_data_is_refused_with_its_line(text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_mapping(text, "recipe r")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_billion_laughs_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    with pytest.raises(InputError, match="aliases"):
        parse_mapping("\n".join(lines), "card bomb")


def test_a_file_must_be_there_be_utf8_and_be_small(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*missing\.yaml"):
        read_mapping(tmp_path / "missing.yaml", "recipe missing.yaml")
    (tmp_path / "latin.yaml").write_bytes("a: caf\xe9".encode("latin-1"))
    with pytest.raises(InputError, match="byte 6 is not UTF-8"):
        read_mapping(tmp_path / "latin.yaml", "recipe latin.yaml")
    (tmp_path / "huge.yaml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(InputError, match="larger than 1,000,000 bytes"):
        read_mapping(tmp_path / "huge.yaml", "recipe huge.yaml")


@pytest.mark.parametrize(
    ("value", "text"), [(2e-5, "2e-5"), (0.5, "0.5"), (3, "3"), ("all", "all"), (None, "null"), (["a"], '["a"]')]
)
def test_values_are_written_as_in_a_recipe(value: object, text: str) -> None:
    assert as_plain(value) == text
    assert len(as_plain("x" * 100)) == 60


def test_nested_values_by_their_paths() -> None:
    assert flat({"a": {"b": 1, "c": {"d": None}}, "e": {}, "f": [1]}) == {"a.b": 1, "a.c.d": None, "e": {}, "f": [1]}
