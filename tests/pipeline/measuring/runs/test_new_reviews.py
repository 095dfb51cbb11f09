"""A model on newly labelled reviews: drift and advice by figures one can work out, and the verb on a toy."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.errors import InputError
from pipeline.common.labels import LABELS
from pipeline.corpora.cards import load_card
from pipeline.corpora.new_texts import read_labelled
from pipeline.machine import cli
from pipeline.measuring.runs import new_reviews
from pipeline.measuring.runs.new_reviews import Past
from stages import __main__ as verbs
from tests.cards import write_reviews


def figure(value: float, half: float, n: int = 300) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def made_on(tuned: list[tuple[str, int]], held: list[tuple[str, int]]) -> Past:
    return Past(tuned, held, figure(0.8, 0.03), 0.01, ["shop"], "starter", 1)


OLD = [(f"good food {'😂' if place % 2 else ''}".strip(), place % 3) for place in range(300)]


def test_shares_of_then_and_now_are_set_against_each_other() -> None:
    now = [("good tacos 😂" if place < 100 else "good food 🤡", 0) for place in range(200)]
    found = new_reviews.drift(now, made_on(OLD, OLD))
    assert found["words it knows"]["then"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 300}
    assert found["words it knows"]["now"]["value"] == pytest.approx(0.75)  # half of the words of half of the texts
    assert found["words it knows"]["difference"]["value"] == pytest.approx(-0.25)
    assert found["emoji it knows"]["now"]["value"] == pytest.approx(0.5)
    assert found["texts with emoji"]["then"]["value"] == 0.5
    assert found["texts with emoji"]["now"]["value"] == 1.0
    assert found["negative ones"]["difference"]["value"] == pytest.approx(2 / 3)
    assert {what for what, one in found.items() if one["moved"]} == {*found} - {"long texts"}
    assert new_reviews.unknown(now, made_on(OLD, OLD)) == ["tacos", "🤡"]


def test_the_same_texts_have_not_drifted_and_no_emoji_is_no_figure() -> None:
    same = new_reviews.drift(OLD, made_on(OLD, OLD))
    assert not [what for what, one in same.items() if one["moved"]]
    plain = [(text.split(" 😂")[0], label) for text, label in OLD]
    assert "emoji it knows" not in new_reviews.drift(plain, made_on(OLD, OLD))
    assert new_reviews.unknown(plain, made_on(OLD, OLD)) == []


@pytest.mark.parametrize(
    ("now", "moved", "says"),
    [
        (figure(0.70, 0.03), ["x"], "tune anew: macro-recall changed by −10.0 points (−14.2 to −5.8); drifted: x"),
        (
            figure(0.90, 0.03),
            [],
            "no need to tune anew: macro-recall changed by +10.0 points (+5.8 to +14.2); no input",
        ),
        (figure(0.79, 0.03), [], "not decided, label more to tell: macro-recall changed by −1.0 points"),
        (figure(0.82, 0.06), ["x"], "not decided, label more to tell: macro-recall changed by +2.0 points"),
        (figure(0.79, 0.03), ["x"], "not decided, tuning anew is worth a try: macro-recall changed by −1.0 points"),
    ],
)
def test_what_to_do_follows_from_the_interval(now: dict[str, Any], moved: list[str], says: str) -> None:
    assert new_reviews.advice(now, made_on(OLD, OLD), moved).startswith(says)


def test_scores_slices_and_calibration() -> None:
    shares = [[0.8 if place == label else 0.1 for place in range(3)] for _, label in OLD]
    wrong = [row[1:] + row[:1] if place % 2 else row for place, row in enumerate(shares)]  # those with emoji
    found = new_reviews.scored(OLD, wrong)
    assert found["scores"]["macro_recall"]["value"] == pytest.approx(0.5)
    assert found["emoji"]["with"]["macro_recall"]["value"] == 0
    assert found["emoji"]["without"]["macro_recall"]["value"] == 1
    assert found["calibration"]["overconfidence"]["value"] == pytest.approx(0.3)
    assert new_reviews.too_few(OLD) is None
    assert new_reviews.too_few([("a", 0)] * 10 + [("b", 1)] * 9 + [("c", 2)] * 10) == "9 neutral"


def test_labels_are_read_as_class_names_or_as_a_card_says(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "new.csv"
    file.write_text("text,label\ngood &amp; cheap,Positive\nbad,negative\n,neutral\nso so,\n", "utf-8")
    assert read_labelled(str(file)) == [("good & cheap", 2), ("bad", 0)]
    assert "2 rows left out for want of a text or a label" in caplog.text
    card = load_card(write_reviews(tmp_path / "shop"))
    file.write_text("text,stars\ngood,5\nbad,1.0\nmeh,3\n", "utf-8")
    assert read_labelled(str(file), card=card) == [("good", 2), ("bad", 0), ("meh", 1)]
    with pytest.raises(InputError, match=r"no column label with labels; name one with --label-column, .*: text, stars"):
        read_labelled(str(file))
    file.write_text("text,stars\ngood,6\nbad,six\nmeh,six\n", "utf-8")
    with pytest.raises(InputError, match=r"column stars: .* no class: six \(2\), 6 \(1\); add them to the card"):
        read_labelled(str(file), card=card)
    with pytest.raises(InputError, match=r"no class: six \(2\), 6 \(1\); write negative, neutral, positive, or name"):
        read_labelled(str(file), labels="stars")


def store(root: Path, model: Path) -> Path:
    """A report's folder with a model in it, and what it was prepared from."""
    report, prepare = root / "report" / ("a" * 16), root / "prepare" / ("b" * 16)
    for name in ("model", "models/full"):
        shutil.copytree(model, report / name)
    told = {
        "recipe": "starter",
        "final_arm": "full",
        "margin": 0.01,
        "arms": {
            "full": {
                "model_seed": 0,
                "seeds": {"0": {"shop": {"macro_recall": figure(0.99, 0.005)}}},
                "settings": {"prepare": {"share_of_rows": 1.0}},
            }
        },
        "fingerprints": {"full": {"prepare": {"0": "b" * 64}}},
    }
    (report / "report.json").write_text(json.dumps(told), "utf-8")
    (prepare / "texts" / "shop").mkdir(parents=True)
    (prepare / "corpora.json").write_text('{"shop": {"role": "reviews"}}', "utf-8")
    for split, number in (("train", 0), ("test", 1)):
        lines = [json.dumps({"id": str(at), "text": f"good food {number} {at}", "label": at % 3}) for at in range(60)]
        (prepare / "texts" / "shop" / f"{split}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return report


def test_a_corpus_of_few_test_texts_is_passed_over(tmp_path: Path) -> None:
    model = tmp_path / "tuned"
    model.mkdir()
    report = store(tmp_path / "store", model)
    told = json.loads((report / "report.json").read_text("utf-8"))
    seed = told["arms"]["full"]["seeds"]["0"]
    seed["corner"] = {"macro_recall": {"value": None, "low": None, "high": None, "n": 18}}
    for known in (True, False):
        (report / "report.json").write_text(json.dumps(told), "utf-8")
        then = new_reviews.past(report / "model")
        assert then is not None
        assert then.macro_recall == (figure(0.99, 0.005) if known else None)
        assert then.corpora == list(seed)
        seed.pop("shop", None)
    advice = "not decided: when it was tested, a class had too few texts for a macro-recall; drifted: x"
    assert new_reviews.advice(figure(0.7, 0.03), then, ["x"]) == advice


def test_a_file_is_scored_against_what_the_store_tells(
    toy_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipeline.models import loading

    tuned = tmp_path / "tuned"
    loading.save(loading.load_classifier(toy_model), loading.load_tokenizer(toy_model), tuned, emoji="words")
    report = store(tmp_path / "store", tuned)
    file = tmp_path / "new.csv"
    texts = [f"good food 0 {at}" for at in range(5)] + [f"bad tacos {at}" for at in range(45)]
    file.write_text("text,label\n" + "".join(f"{text},{LABELS[at % 3]}\n" for at, text in enumerate(texts)), "utf-8")
    for model in (report / "model", report / "models" / "full"):
        assert cli.main(verbs.build(), ["score", str(file), "--model", str(model)]) == 0
        out, err = capsys.readouterr()
        assert err == "50 texts, less 5 that it was tuned on\n"
        scores, *_ = out.split("\n\n")
        assert re.search(r"^ +macro-recall when it was tested +99\.0 \(98\.5–99\.5\)$", scores, re.M)
        assert re.search(r"^ +macro-recall on texts without emoji", scores, re.M)
        assert ("with emoji" in scores, "  –" in scores) == (False, False)  # no text has any
        assert "45 texts; 95% intervals." in out
        assert "New to it: bad tacos" in out
        assert "\ntune anew: macro-recall changed by −" in out
        assert "drifted: words it knows" in out
    assert cli.main(verbs.build(), ["score", str(file), "--model", str(tuned)]) == 0
    out = capsys.readouterr().out
    assert "What it was tuned on is not at hand" in out
    assert "when it was tested" not in out
    assert cli.main(verbs.build(), ["score", str(tmp_path / "gone.csv"), "--model", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith(f"input {tmp_path / 'gone.csv'}: cannot be read (No such file")
    file.write_text("text,label\ngood,positive\n", "utf-8")
    assert cli.main(verbs.build(), ["score", str(file), "--model", str(tuned)]) == 2
    assert capsys.readouterr().err == f"input {file}: of 1 text only 0 negative; label more, 10 of each class\n"
