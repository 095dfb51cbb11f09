"""docs/schema says what the code declares; renew it with: python -m tests.test_schema"""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.common.files import write_json
from pipeline.common.results import checked, write
from pipeline.measuring.behaviour.results import Behaviours
from pipeline.measuring.emoji.results import Emoji
from pipeline.measuring.frontier.results import Frontier
from pipeline.measuring.general.results import Retention
from pipeline.measuring.reviews.results import Reviews
from pipeline.report.results import Report
from pipeline.search.results import Found
from tests import toy_measures

FOLDER = Path(__file__).parents[1] / "docs" / "schema"
KINDS: dict[str, Any] = {
    "scores": Reviews,
    "retention": Retention,
    "behaviour": Behaviours,
    "emoji": Emoji,
    "frontier": Frontier,
    "report": Report,
    "search": Found,
}


@pytest.mark.parametrize("name", KINDS)
def test_schemas_say_what_the_code_declares(name: str) -> None:
    told = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert told == TypeAdapter(KINDS[name]).json_schema(), __doc__


def test_what_is_not_declared_is_not_written(tmp_path: Path) -> None:
    found = toy_measures.frontier()
    assert checked(Frontier, found) is found
    less = {name: found[name] for name in found if name != "chosen"}
    for wrong in ({**found, "more": 1}, less, {**found, "budget": "x"}):
        with pytest.raises(ValidationError):
            write(Frontier, tmp_path / "frontier.json", wrong)
    assert not list(tmp_path.iterdir())


if __name__ == "__main__":
    for name, kind in KINDS.items():
        write_json(FOLDER / f"{name}.json", TypeAdapter(kind).json_schema())
