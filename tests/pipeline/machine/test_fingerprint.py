import hashlib
import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pipeline.common.errors import InputError
from pipeline.common.settings import by_content, speed_only
from pipeline.machine.fingerprint import Identity, differences, digest_reads, identify, result_settings
from pipeline.machine.stage import Stage, StageSettings
from tests.pipeline.toy_story import STORY, Gather, Grow

GATHER, GROW, *_ = STORY
SETTINGS = {"steps": 3, "learning_rate": 2e-5, "method": "full"}
IDENTITY = Identity("grow", 1, SETTINGS, 0, {"a.csv": "11"}, {"gather": "22"}, {"learning_rate": 2e-5, "steps": 3})


def chosen(**changes: object) -> dict[str, object]:
    """What becomes of an identity where settings are changed."""
    return {"settings": SETTINGS | changes, "chosen": {**IDENTITY.chosen, **changes}}


def test_fingerprint_by_hand() -> None:
    written = '["grow", 1, {"learning_rate": 2e-05, "steps": 3}, 0, {"a.csv": "11"}, [["gather", "22"]]]'
    assert IDENTITY.fingerprint == hashlib.sha256(written.encode()).hexdigest()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 2}, "version 1 -> 2"),
        ({"seed": 1}, "seed 0 -> 1"),
        (chosen(learning_rate=5e-5), "setting learning_rate: 2e-5 -> 5e-5"),
        (chosen(new=True), "setting new: unset -> true"),
        (chosen(group={"inner": 1}), "setting group.inner: unset -> 1"),
        ({"reads": {"a.csv": "12"}}, "reads a.csv changed"),
        ({"reads": {}}, "reads a.csv changed"),
        ({"inputs": {"gather": "23"}}, "input gather changed"),
    ],
)
def test_every_part_counts_and_is_named(change: dict[str, object], why: str) -> None:
    changed = replace(IDENTITY, **change)  # type: ignore[arg-type]
    assert changed.fingerprint != IDENTITY.fingerprint
    assert differences(json.loads(json.dumps(asdict(IDENTITY))), changed) == [why]


def test_nothing_differs_from_itself() -> None:
    assert differences(json.loads(json.dumps(asdict(IDENTITY))), IDENTITY) == []


def test_order_of_settings_does_not_count_order_of_collected_runs_does() -> None:
    turned = replace(IDENTITY, chosen={"steps": 3, "learning_rate": 2e-5})
    assert turned.fingerprint == IDENTITY.fingerprint
    collected = replace(IDENTITY, inputs={"judge": {"a#0": "1", "b#0": "2"}})
    swapped = replace(IDENTITY, inputs={"judge": {"b#0": "2", "a#0": "1"}})
    assert collected.fingerprint != swapped.fingerprint
    assert differences(json.loads(json.dumps(asdict(collected))), swapped) == ["input judge changed"]


class Inner(StageSettings):
    width: int = 1
    pause: float = speed_only(0.0)


class Before(StageSettings):
    steps: int = 3
    group: Inner = Inner(width=2)


class WithMore(Before):
    """The same, and a setting more, which is at its default where nothing is said."""

    rate: float = 0.5


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, {}),
        ({"steps": 3, "group": {"width": 2}}, {}),
        ({"steps": 4}, {"steps": 4}),
        ({"group": {"width": 2, "pause": 9}}, {}),
        ({"group": {"width": 1}}, {"group": {"width": 1}}),  # the inner model's default, and not the group's
    ],
)
def test_settings_at_their_default_do_not_count_and_a_new_one_makes_nothing_stale(
    changes: dict[str, object], counts: dict[str, object]
) -> None:
    before, now = (identify(GROW, kind.model_validate(changes), 0, {}, {}) for kind in (Before, WithMore))
    assert before.chosen == now.chosen == counts
    assert before.fingerprint == now.fingerprint
    assert now.settings.keys() == {"steps", "group", "rate"}
    assert identify(GROW, WithMore(rate=0.1), 0, {}, {}).fingerprint != now.fingerprint


def test_what_differs_is_said_of_what_was_chosen_and_by_its_path() -> None:
    last = identify(GROW, Before(), 0, {}, {}).manifest(1.0)
    other = identify(GROW, WithMore(steps=7, group=Inner(width=5)), 0, {}, {})
    assert differences(last, other) == ["setting steps: 3 -> 7", "setting group.width: 2 -> 5"]
    assert differences(last, identify(GROW, WithMore(rate=0.1), 0, {}, {})) == ["setting rate: unset -> 0.1"]


def test_speed_only_settings_and_unwanted_seeds_do_not_count() -> None:
    assert result_settings(Grow()) == {
        "steps": 3,
        "learning_rate": 2e-5,
        "method": "full",
        "fails": "no",
        "light": {"lamps": 1},
    }
    slow, fast = (identify(GROW, Grow(batch_size=size), 5, {}, {}) for size in (1, 64))
    assert slow.fingerprint == fast.fingerprint
    assert slow.seed == 5
    assert identify(GATHER, Gather(), 5, {}, {}).seed is None


def test_files_are_read_by_content_even_if_their_time_is_restored(tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    file.write_text("good")
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    before = digest_reads(GATHER, Gather(source=file))
    assert before["reviews.csv"] == hashlib.sha256(b"good").hexdigest()
    file.write_text("evil")
    os.utime(file, ns=times)
    after = digest_reads(GATHER, Gather(source=file))
    assert {label for label in before if before[label] != after[label]} == {"reviews.csv"}


def test_a_path_that_counts_by_content_must_be_read() -> None:
    class Ranked(StageSettings):
        ranking: Path | None = by_content(None)

    def rank(settings: Ranked, *, out: Path) -> None: ...

    with pytest.raises(TypeError, match="stage rank: ranking counts by content, which no reads tells"):
        Stage("rank", rank, makes=())
    stage = Stage(
        "rank", rank, makes=(), reads=lambda settings: {"ranking": settings.ranking} if settings.ranking else {}
    )
    assert identify(stage, Ranked(ranking=Path("a")), None, {}, {}).settings == {}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gather reads gone.csv: cannot read .*gone.csv \(No such file"):
        digest_reads(GATHER, Gather(source=tmp_path / "gone.csv"))
