"""Put the scores of all arms side by side: did it help, what did it cost, which model to take away.

``report.json`` holds every figure, as ``pipeline/report/results.py`` declares it (as a JSON schema in ``docs/schema``);
``report.html`` is set from it alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, Literal

from pydantic import Field

from pipeline.common.arms import Searched
from pipeline.common.arms import rungs as rungs_of
from pipeline.common.errors import InputError
from pipeline.common.labels import LABELS
from pipeline.machine.stage import Arms, Run, Stage, StageSettings

LARGE_FILE_BYTES = 200_000_000


class Settings(StageSettings):
    """What the report is called, and which model is taken away."""

    title: str = Field("Customer reviews", min_length=1, max_length=200, description="heading of the report")
    final_arm: str | None = Field(None, description="arm whose model lies in model/; null: the last of the ladder")
    controls: list[str] = Field(
        [],
        description="arms that are no rung of the ladder: the final arm is judged against each, for negative transfer",
    )
    beside: Literal["above", "first"] = Field(
        "above",
        description="what each arm of the ladder is judged against: the one above it, to which it adds something; or "
        "the first, where they are remedies side by side",
    )
    primary: list[Literal["rungs", "overall", "floors", "emoji", "masked", "controls"]] = Field(
        ["rungs", "overall", "floors", "emoji", "masked", "controls"],
        description="comparisons that get a verdict, one family: each arm against the one above, or the first; the "
        "final arm against the first, each floor, each control; on texts with emoji; in masked words kept. All others "
        "are exploratory",
    )
    searched: Searched | None = Field(
        None, description="an arm that a search chose: how many trials it is the best of, and what is left of its lead"
    )
    across: str | None = Field(
        None,
        description="a setting that is a number in every arm of the ladder, such as finetune.freezing.layers: figures "
        "are drawn over it; over finetune.train_reviews, how errors fall with labels is told, too",
    )
    margin: float = Field(
        0.01, gt=0, lt=0.5, description="difference (a share) that does not matter: no worse is said within it"
    )
    licence: str | None = Field(
        None, description="licence of the models, for their cards; null: what follows from base and corpora"
    )
    draws: int = Field(2000, ge=1000, le=100_000, description="bootstrap samples behind each interval")
    verdict_draws: int = Field(
        5000,
        ge=1000,
        le=100_000,
        description="bootstrap samples behind each verdict; at least 40 for each that is judged together",
    )
    seed: int = Field(0, ge=0, lt=1 << 32, description="of those samples")


def report(
    settings: Settings,
    *,
    prepare: Arms,
    source: Arms,
    tokenizer: Arms,
    pretrain: Arms,
    finetune: Arms,
    evaluate: Arms,
    recipe: str,
    out: Path,
) -> None:
    """Write the report as ``STAGE.makes`` names it: all models with their cards, and the final one in ``model/``."""
    from pipeline.common import results
    from pipeline.common.story import story
    from pipeline.machine.fingerprint import usual_settings
    from pipeline.measuring.diagnosis import rules
    from pipeline.measuring.runs import evaluated
    from pipeline.measuring.statistics import ladder
    from pipeline.report import collect, model_card, pages
    from pipeline.report.results import Report

    stages = {"prepare": prepare, "source": source, "tokenizer": tokenizer, "pretrain": pretrain}
    stages |= {"finetune": finetune, "evaluate": evaluate}
    arms = {arm: [run for run in evaluate if run.arm == arm] for arm in dict.fromkeys(run.arm for run in evaluate)}
    rungs, final = rungs_of(settings, arms)
    described: dict[str, Any] = {"name": settings.title, "recipe": recipe, "final_arm": final, "labels": list(LABELS)}
    described |= {"primary": settings.primary, "margin": settings.margin, "beside": settings.beside}
    described |= _compared(arms, rungs, final, evaluate, settings)
    folders = {
        stage: {arm: {run.seed: made[run] for run in runs} for arm, runs in arms.items()}
        for stage, made in stages.items()
    }
    described |= collect.described(folders, rungs, final, settings.beside, usual_settings(story()))
    draws, first = ladder.Draws(settings.draws, settings.seed), evaluate[arms[rungs[0]][0]]
    evaluations = {arm: [evaluate[run] for run in runs] for arm, runs in arms.items()}
    described["exchange"] = {arm: evaluated.exchanged(seeds, draws) for arm, seeds in evaluations.items()}
    for arm, seeds in evaluations.items():
        apart = evaluated.probes_beside(seeds[0], first, draws)
        described["layers"][arm] |= evaluated.cka_beside(seeds) | {"apart": apart}
    scores, changes = described.pop("scores"), described.pop("changes")
    told = {
        arm: {"arm": arm, "seeds": [run.seed for run in runs], "changes": changes[arm], "scores": scores[arm]}
        for arm, runs in arms.items()
    }
    described["ladder"] = [told[arm] for arm in rungs]
    described["controls"] = [told[arm] for arm in settings.controls]
    described["backward"] = _backward(described["arms"], described["tested"], rungs, draws)
    described["searched"] = _searched(described["arms"], told, settings.searched)
    described["sweep"] = _swept(described, rungs, described.pop("measured"), settings)
    described["errors"] = _looked_at(prepare[arms[final][0]], first, final, described.pop("tested"), settings)
    described["diagnosis"] = rules.diagnose(described)
    pages.write(results.checked(Report, described), out)
    for arm, runs in arms.items():
        _place_model(finetune[runs[0]] / "model", out / "models" / arm)
        model_card.write(described, arm, out / "models" / arm, licence=settings.licence)
    _place_model(out / "models" / final, out / "model")


def _compared(
    arms: Mapping[str, list[Run]], rungs: list[str], final: str, evaluate: Arms, settings: Settings
) -> dict[str, Any]:
    """Everything that sets arms against each other: scores, floors, verdicts, retention, the arm advised."""
    from pipeline.common.labels import FLOORS
    from pipeline.measuring.runs import evaluated
    from pipeline.measuring.statistics import ladder

    draws, many = (ladder.Draws(count, settings.seed) for count in (settings.draws, settings.verdict_draws))
    folders = {arm: [evaluate[run] for run in runs] for arm, runs in arms.items()}
    tested = evaluated.predictions(folders)
    first = rungs[0]  # arms may differ in their base: a control from random weights sets no floor
    floors = {
        name: {
            corpus: [evaluated.floor(folders[first][0], name, corpus, rows[first][0])]
            for corpus, rows in tested.items()
        }
        for name in FLOORS
    }

    def headline(rows: Mapping[str, Any]) -> dict[ladder.Key, Any]:
        return {("macro_recall", corpus): ladder.measured(found) for corpus, found in rows.items()}

    scored = {arm: headline({corpus: rows[arm] for corpus, rows in tested.items()}) for arm in arms}
    emoji = {
        arm: {("emoji_macro_recall", corpus): ladder.measured(found) for corpus, rows in tested.items()
              if (found := ladder.with_emoji(rows[arm]))[0]}
        for arm in rungs
    }  # fmt: skip
    lowest = {name: headline(found) for name, found in floors.items()}
    kept = {model: evaluated.kept(folders, model, draws) for model in ("adapted", "tuned")}
    kept["of_adapted"] = evaluated.kept(folders, "tuned", draws, of="adapted")
    right = evaluated.judged_right(folders)
    general = {
        arm: {key: share for key, share in kept["tuned"][arm].items() if key[0] == "masked"} | right[arm]
        for arm in rungs
    }
    asked = ladder.climb({arm: scored[arm] | emoji[arm] | general[arm] for arm in rungs}, final, settings.beside)
    asked += ladder.against("floor", scored, lowest, final, "floors")
    controls = {arm: scored[arm] for arm in settings.controls}
    asked += ladder.against("control", {final: scored[final]}, controls, final, "controls")
    verdicts = ladder.judge(asked, settings.primary, settings.margin, many)
    better = max(lowest, key=lambda name: ladder.mean_of(lowest[name]) or 0.0)
    advised = ladder.recommend({arm: scored[arm] for arm in rungs}, general, settings.margin, many)
    beside = {"arm": advised["arm"], "against": better}
    above = {verdict["verdict"] for verdict in verdicts if beside.items() <= verdict.items()} - {"unmeasured"}
    return {
        "tested": tested,
        "measured": {corpus: {arm: scored[arm]["macro_recall", corpus] for arm in rungs} for corpus in tested},
        "scores": {arm: {corpus: ladder.scores(rows[arm], draws) for corpus, rows in tested.items()} for arm in arms},
        "floors": {
            name: {corpus: ladder.scores(rows, draws) for corpus, rows in found.items()}
            for name, found in floors.items()
        },
        "verdicts": verdicts,
        "grammar": evaluated.by_phenomenon(folders),
        "recommendation": advised
        | {"floor": better, "beats_floor": None if "exploratory" in above or not above else above == {"better"}},
        "retention": {
            arm: evaluated.levels(folders[arm], {model: found[arm] for model, found in kept.items()}, draws)
            for arm in arms
        },
    }


def _backward(
    arms: Mapping[str, Any], tested: Mapping[str, Mapping[str, Any]], rungs: Sequence[str], draws: Any
) -> dict[str, Any]:
    """What arms that go on from the first one's model, if that learnt nothing, changed on old reviews."""
    from pipeline.measuring.statistics import ladder

    tuned = {arm: next(iter(arms[arm]["finetune"].values())) for arm in rungs}
    first, *others = rungs
    if tuned[first].get("method") != "none":
        return {}
    found = {}
    for arm in others:
        told = tuned[arm].get("rehearsal", {"corpora": [], "texts": 0})
        if old := [corpus for corpus in tested if corpus in told["corpora"]]:
            sides = ({corpus: tested[corpus][one] for corpus in old} for one in (first, arm))
            change = draws.of(ladder.transferred_back(*sides))
            found[arm] = {"old": old, "texts": told["texts"], "change": change}
    return found


def _searched(arms: Mapping[str, Any], told: Mapping[str, Any], searched: Searched | None) -> dict[str, Any] | None:
    """Macro-recall on dev and test, over seeds and corpora, of the arm that a search chose and of the one it varied.

    None without one, and where a corpus has too few test texts of a class: dev's mean is of all corpora.
    """
    if searched is None:
        return None
    both = (searched.arm, searched.against)
    dev = {arm: [seed["chosen_dev_macro_recall"] for seed in arms[arm]["finetune"].values()] for arm in both}
    test = {arm: [scores["macro_recall"]["value"] for scores in told[arm]["scores"].values()] for arm in both}
    if any(value is None for of in test.values() for value in of):
        return None
    means = {name: {arm: mean(of[arm]) for arm in both} for name, of in (("dev", dev), ("test", test))}
    return searched.model_dump() | means


def _swept(
    described: Mapping[str, Any], rungs: Sequence[str], measured: Mapping[str, Mapping[str, Any]], settings: Settings
) -> dict[str, Any] | None:
    """The arms along one setting, if the recipe names one; over labels, how errors fall with them."""
    from pipeline.common.yaml import flat
    from pipeline.measuring.statistics.ladder import Draws
    from pipeline.measuring.sweep import score

    if settings.across is None:
        return None
    told = {arm: described["arms"][arm] for arm in rungs}
    learnt = {arm: next(iter(of["finetune"].values()))["train_texts"] for arm, of in told.items()}
    values = score.values(settings.across, {arm: flat(of["settings"]) for arm, of in told.items()}, learnt)
    draws, labelled = Draws(settings.draws, settings.seed), measured if settings.across == score.LABELS else {}
    laws = {corpus: law for corpus, arms in labelled.items() if (law := score.law(values, arms, draws))}
    return {"setting": settings.across, "values": values, "laws": laws}


def _looked_at(
    prepared: Path, beside: Path, arm: str, tested: Mapping[str, Mapping[str, Any]], settings: Settings
) -> dict[str, dict[str, Any]]:
    """Where one arm errs, by corpus: kinds of texts, classes, confidence, its surest mistakes, doubtful labels.

    Args:
        beside: the evaluation that has the floors.
    """
    import numpy as np

    from pipeline.common.languages import ENGLISH, reads
    from pipeline.corpora.prepared import corpus_rows, folds_of, languages
    from pipeline.measuring.reviews import calibration, doubtful, mistakes, slices
    from pipeline.measuring.runs import evaluated
    from pipeline.measuring.statistics.ladder import Draws
    from pipeline.text.words import TRAITS, traits

    draws, found, spoken = Draws(settings.draws, settings.seed), {}, languages(prepared)
    for corpus, by_arm in tested.items():
        rows = by_arm[arm]
        folds = range(folds_of(prepared, corpus))
        texts = {row["id"]: row["text"] for fold in folds for row in corpus_rows(prepared, corpus, "test", fold)}
        said = np.array([[row["probabilities"] for row in seed] for seed in rows])
        words = [row["probabilities"] for row in evaluated.floor(beside, "tfidf", corpus, rows[0])]
        pooled = doubtful.pooled([said.mean(axis=0), words])  # test texts: neither saw their labels
        asked = TRAITS if reads(spoken[corpus], ENGLISH) else [trait for trait in TRAITS if trait != "negation"]
        found[corpus] = {
            "slices": slices.by_trait(rows, {name: traits(text) for name, text in texts.items()}, asked, draws),
            "classes": slices.by_class(rows, draws),
            "calibration": calibration.calibration(rows, draws),
            "mistakes": mistakes.most_confident(rows, texts),
            "label_noise": doubtful.candidates(rows[0], pooled, texts),
        }
    return found


def check(settings: Mapping[str, Any]) -> None:
    """Refuse a setting to draw figures over that no stage has."""
    from pipeline.common.validation import near
    from pipeline.common.yaml import flat

    across = settings["report"].across
    known = flat({stage: own.model_dump() for stage, own in settings.items()})
    if across is not None and across not in known:
        hint = f"did you mean {close}?" if (close := near(across, known)) else "stages show STAGE lists a stage's"
        raise InputError(f"report.across: no setting {across}; {hint}")


def _place_model(source: Path, target: Path) -> None:
    """Copy a model folder. Files above 200 MB are linked instead (same bytes on disk) where the disk allows it.

    A linked file that is edited in place would damage the store, which notices; so the small ones, which people do
    edit (config, tokenizer), are always their own.
    """
    for path in sorted(file for file in source.rglob("*") if file.is_file()):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.stat().st_size > LARGE_FILE_BYTES:
            try:
                place.hardlink_to(path)
                continue
            except OSError:
                pass  # another disk, or one that knows no links
        shutil.copyfile(path, place)


STAGE = Stage(
    "report",
    report,
    makes=("report.html", "report.json", "summary.txt", "figures", "tables", "models", "model"),
    version=24,
    check=check,
    check_arms=rungs_of,
)
