"""The story up to its tuned model as an estimator of scikit-learn's kind: texts and labels in, labels out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from pipeline.common.arms import rungs
from pipeline.common.errors import InputError
from pipeline.common.files import digest, write_jsonl, write_whole
from pipeline.common.labels import LABELS
from pipeline.common.story import story
from pipeline.common.yaml import flat
from pipeline.corpora.cards import load_cards
from pipeline.machine import runner
from pipeline.machine.recipe import load_recipe
from pipeline.predictor import Predictor

CARD = """---
language: {language}
configs: [{{config_name: default, data_files: texts.jsonl}}]
retone: {{role: reviews, labels: {{negative: negative, neutral: neutral, positive: positive}}}}
---
"""
FOR_TESTS = 0.01
"""Of the texts: whoever fits an estimator keeps texts to test it on himself."""


class RetoneClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """One arm of a recipe, tuned on the texts that ``fit`` is given: on all of them, and with the recipe's first seed.

    Texts of the recipe's other corpora (informal, general) are used as always; what was made before is reused. A
    recipe's folds and its share of rows are for measuring and for trying out: they do not count here.
    """

    def __init__(
        self,
        recipe: str = "starter",
        arm: str | None = None,
        changes: Mapping[str, Any] | None = None,
        store: str = "artifacts",
    ) -> None:
        """Keep the settings.

        Args:
            recipe: a file, or the name of one that ships.
            arm: which of its arms; by default the one whose model a run of the recipe would have you take away.
            changes: values by path, as ``--set`` gives them: ``{"finetune.num_train_epochs": 3}``.
            store: folder of results.
        """
        self.recipe, self.arm, self.changes, self.store = recipe, arm, changes, store

    def fit(self, X: Iterable[str], y: Sequence[Any]) -> Self:  # noqa: N803
        """Tune on texts and their labels: negative, neutral and positive, or three numbers in that order.

        Raises:
            InputError: other labels, texts that are none, an arm that learns from no reviews or sets some of its own
                apart, or whatever a run of the recipe refuses.
        """
        texts, given = list(X), np.asarray(y)
        classes = np.unique(given)
        names = [str(each) for each in classes]
        if len(texts) != len(given):
            raise InputError(f"fit: {len(texts)} texts and {len(given)} labels; give one label a text")
        if set(names) == set(LABELS):
            meant = dict(zip(classes.tolist(), names, strict=True))
        elif len(classes) == len(LABELS) and np.issubdtype(classes.dtype, np.number):
            meant = dict(zip(classes.tolist(), LABELS, strict=True))
        else:
            raise InputError(f"fit: labels are {', '.join(names[:5])}; give {', '.join(LABELS)}, or three numbers")
        rows = [{"text": text, "label": meant[label]} for text, label in zip(texts, given.tolist(), strict=True)]
        stages = story()
        loaded = load_recipe(self.recipe, stages, self.changes or {})
        arm = self.arm or rungs(loaded.shared["report"], loaded.arms)[1]
        if arm not in loaded.arms:
            raise InputError(f"fit: no arm {arm} in recipe {loaded.name}; there are {', '.join(loaded.arms)}")
        settings: Any = loaded.arms[arm]
        _check_learns(settings, f"fit: arm {arm} of recipe {loaded.name}")
        card = Path(self.store) / "fitted" / digest(rows)[:16]  # by content: the same texts again are reused
        _write_card(card, rows, settings["source"].language or "en")
        changes = _whole(card, settings["prepare"], arm, self.changes or {}) | {"seeds": [loaded.seeds[0]]}
        made = runner.run(stages, loaded, changes, "finetune", arms=[arm], store=Path(self.store))
        self.model_ = next(iter(made["finetune"].values())) / "model"
        self.classes_ = classes
        self._meant = meant
        self._predictor = Predictor(self.model_)
        return self

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.float64]:  # noqa: N803
        """Probabilities [texts, 3], columns in the order of ``classes_``."""
        check_is_fitted(self)
        told = self._predictor(list(X))
        names = [self._meant[label] for label in self.classes_.tolist()]
        return np.array([[one.probabilities[name] for name in names] for one in told]).reshape(-1, len(LABELS))

    def predict(self, X: Iterable[str]) -> NDArray[Any]:  # noqa: N803
        """The likeliest class of each text, as it was called in ``fit``."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        found: NDArray[Any] = self.classes_[likeliest]
        return found


def _check_learns(settings: Any, place: str) -> None:
    """Raise InputError for an arm that would not learn from the texts that are given."""
    if settings["finetune"].method == "none":
        raise InputError(f"{place} tunes nothing (finetune.method is none); name another arm")
    if corpus := settings["prepare"].target.corpus:
        raise InputError(f"{place} sets a target apart from {corpus}, which is not read here; take another recipe")


def _whole(card: Path, prepare: Any, arm: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Changes by which an arm reads the card, whole, in place of its reviews; shares that are asked for stay."""
    own, shares = flat(asked), {"share_of_rows": 1.0, "test_share": FOR_TESTS}
    others = [name for name in prepare.corpora if load_cards([name], prepare.data_root)[0].role != "reviews"]
    kept = [name for name in shares if {f"prepare.{name}", f"arms.{arm}.prepare.{name}"} & {*own}]
    found = {"corpora": [str(card), *others], "folds": 1, **shares}
    return {f"arms.{arm}.prepare.{name}": value for name, value in found.items() if name not in kept}


def _write_card(card: Path, rows: Sequence[Mapping[str, Any]], language: str) -> None:
    """A card of texts whose labels are class names."""
    card.mkdir(parents=True, exist_ok=True)
    write_jsonl(card / "texts.jsonl", rows)
    write_whole(card / "README.md", [CARD.format(language=language)])
