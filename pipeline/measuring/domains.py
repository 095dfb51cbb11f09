"""Can a model's features tell two domains apart? And when is it no success that they cannot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import set_seed

from pipeline.measuring.layers.probes import FOLDS, INVERSE_PENALTY
from pipeline.measuring.scoring import pooled_states
from pipeline.measuring.statistics.bootstrap import Figure, share
from pipeline.models import loading
from pipeline.models.batches import Ids

Features = NDArray[np.floating[Any]]


def before_and_after(start: Path, tuned: Any, source: Sequence[Ids], target: Sequence[Ids], seed: int) -> Any:
    """``told_apart`` by what the model in a folder, and one tuned from it, make of texts; as figures.

    Args:
        seed: of the pooler that ``start`` may lack.
    """
    set_seed(seed)
    models = {"before": loading.load_classifier(start), "after": tuned}
    return {
        when: told_apart(pooled_states(model, source), pooled_states(model, target)).as_json()
        for when, model in models.items()
    }


def told_apart(source: Features, target: Features) -> Figure:
    """Share of texts whose domain a logistic regression tells that has not seen them; 0.5 is chance.

    Ben-David et al. 2007, "Analysis of Representations for Domain Adaptation", section 4, whose proxy of the
    A-distance it stands for: 2 (2 share - 1). As many of each domain are asked about; NaN of fewer than ``FOLDS``.

    Args:
        source, target: [texts, hidden].
    """
    count, draw = min(len(source), len(target)), np.random.default_rng(0)
    if count < FOLDS:
        return share([])
    table = np.concatenate([part[draw.permutation(len(part))[:count]] for part in (source, target)])
    domains = np.repeat([0, 1], count)
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=INVERSE_PENALTY, max_iter=500))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return share(cross_val_predict(probe, table, domains, cv=folds) == domains)


def alarm(domain_loss: float, lowest_domain_loss: float, variance_left: float) -> str | None:
    """Why the figures of a domain classifier are no success of alignment, in words; None: no reason is seen."""
    if lowest_domain_loss > 0.98 * math.log(2):
        return f"its domain classifier learnt nothing: the loss was {domain_loss:.2f} nats, a coin's, from the start"
    if variance_left < 0.1:
        return f"the features collapsed: {100 * variance_left:.0f}% of their variance is left"
    return None
