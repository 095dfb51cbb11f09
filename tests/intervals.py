"""How often intervals hold what they are about, by simulation: ``python -m tests.intervals`` prints a table of shares.

Texts are right where a latent ease, in part the text's own and in part the model's, lies below what the model reaches;
that differs by seed (or fold), with a deviation of one point of recall. So what is true is known: of one model its own
recall on endless texts, of several the mean over endless models made the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from pipeline.measuring.frontier.score import choose, surely_kept
from pipeline.measuring.general.score import ratio
from pipeline.measuring.reviews.calibration import calibration_error
from pipeline.measuring.statistics.bootstrap import Figure, share, verdict
from pipeline.measuring.statistics.classification import macro_recall
from pipeline.measuring.statistics.comparison import Measured, classified, clustered, masked_kept, minus
from pipeline.measuring.statistics.ladder import Draws

DRAWS = 400
RECALL = 0.8
LUCK = 0.01 / float(norm.pdf(norm.ppf(RECALL)))
"""Deviation between models on the latent scale: a point of recall."""
OWN = 0.6
"""Share of the ease's variance that is the text's own, the same for every model."""
Random = np.random.Generator
Labels = NDArray[np.int64]


def labels_of(texts: int, rare: int | None = None) -> Labels:
    """As many texts of each class, or so many of the rarest."""
    return np.arange(texts) % 3 if rare is None else np.r_[np.zeros(rare, int), 1 + np.arange(texts - rare) % 2]


def arms(
    random: Random, labels: Labels, models: int, luck: float = LUCK, folds: Labels | None = None
) -> tuple[list[Measured], list[float]]:
    """Two arms that are alike, and the recall of each that is true: of the one model, or of endless ones."""
    ease, found, true = np.sqrt(OWN) * random.normal(size=len(labels)), [], []
    reach = float(norm.ppf(RECALL))
    for _ in range(2):
        own = reach + random.normal(0, luck, size=models)
        noise = np.sqrt(1 - OWN) * random.normal(size=(1 if folds is not None else models, len(labels)))
        right = ease + noise < (own[folds] if folds is not None else own[:, None])
        found.append(classified(labels, np.where(right, labels, (labels + 1) % 3), macro_recall, folds))
        true.append(float(norm.cdf(own[0] if models == 1 else reach / np.sqrt(1 + luck**2))))
    return found, true


def held(runs: int, ask: Callable[[Random, int], tuple[Figure, float]]) -> float:
    """Of so many runs the share whose interval holds what is true."""
    asked = (ask(np.random.default_rng([run, 17]), run) for run in range(runs))
    return float(np.mean([figure.low <= true <= figure.high for figure, true in asked]))


def of_one_arm(texts: int, seeds: int, rare: int | None = None) -> Callable[[Random, int], tuple[Figure, float]]:
    """Macro-recall of one arm."""

    def ask(random: Random, run: int) -> tuple[Figure, float]:
        (one, _), (true, _) = arms(random, labels_of(texts, rare), seeds)
        return one.figure(draws=DRAWS, seed=run), true

    return ask


def of_two_arms(
    texts: int, seeds: int, rare: int | None = None, folds: int = 0, luck: float = LUCK
) -> Callable[[Random, int], tuple[Figure, float]]:
    """The difference of two arms that are alike, over seeds or over folds."""

    def ask(random: Random, run: int) -> tuple[Figure, float]:
        places = np.arange(texts) // 3 % folds if folds else None
        (a, b), true = arms(random, labels_of(texts, rare), folds or seeds, luck, places)
        return minus(a, b, draws=DRAWS, seed=run), true[0] - true[1]

    return ask


def kept(random: Random, documents: int, seeds: int, lost: float = 0.05) -> tuple[Measured, float]:
    """Masked words kept, documents of unequal length and loss, and what is true."""
    pieces = random.integers(10, 40, size=documents)
    base = pieces * random.normal(2.5, 0.4, size=documents)
    luck = random.normal(0, 0.01, size=seeds)
    by_document = random.normal(0, 0.1, size=documents) + random.normal(0, 0.05, size=(seeds, documents))
    now = base + pieces * (lost + luck[:, None] + by_document)
    return masked_kept(base, now, pieces), float(np.exp(-lost - luck[0]) if seeds == 1 else np.exp(-lost + 0.01**2 / 2))


def of_kept(documents: int, seeds: int) -> Callable[[Random, int], tuple[Figure, float]]:
    """What one arm kept of masked words."""

    def ask(random: Random, run: int) -> tuple[Figure, float]:
        found, true = kept(random, documents, seeds)
        return found.figure(draws=DRAWS, seed=run), true

    return ask


def of_grammar(whole: bool) -> Callable[[Random, int], tuple[Figure, float]]:
    """The difference in accuracy of two models on twelve phenomena of forty pairs, drawn whole or pair by pair."""

    def ask(random: Random, run: int) -> tuple[Figure, float]:
        kinds = np.repeat(np.arange(12), 40)
        sides = [0.7 + shift + random.normal(0, 0.1, size=12) for shift in (0.05, 0.0)]
        right = [(random.random(480) < chances[kinds]).astype(float)[None] for chances in sides]
        names = [str(kind) for kind in kinds]
        a, b = (clustered(ratio(side, np.ones_like(side)), names if whole else [""]) for side in right)
        return minus(a, b, draws=DRAWS, seed=run), 0.05

    return ask


def of_share(texts: int, chance: float) -> Callable[[Random, int], tuple[Figure, float]]:
    """A plain share, by Wilson."""
    return lambda random, _: (share(random.random(texts) < chance), chance)


def of_words(alike: float) -> Callable[[Random, int], tuple[Figure, float]]:
    """Wilson's of 20 words, six sentences each, of which a share of 0.8 is right; ``alike`` (0 to 1): within a word."""

    def ask(random: Random, _: int) -> tuple[Figure, float]:
        spread = (1 - alike) / alike
        own = random.beta(0.8 * spread, 0.2 * spread, size=20)
        return share((random.random((20, 6)) < own[:, None]).mean(axis=1)), 0.8

    return ask


def of_calibration(texts: int, off: float) -> Callable[[Random, int], tuple[Figure, float]]:
    """Calibration error of a model that is overconfident by so much on every text."""

    def ask(random: Random, run: int) -> tuple[Figure, float]:
        sure = random.uniform(0.7, 1, size=texts)
        return calibration_error(sure, random.random(texts) < sure - off, Draws(DRAWS, run)), off

    return ask


def budget_missed(documents: int, runs: int, by_bound: bool) -> float:
    """How often the choice among nine blends keeps less than a budget of 95%, by its bound or by its value."""
    missed = 0
    for run in range(runs):
        random, found = np.random.default_rng([run, 5]), []
        pieces = random.integers(10, 40, size=documents)
        base, change = pieces * 2.5, random.normal(0.1, 0.2, size=documents)
        shares = np.linspace(0, 1, 9)
        found = [masked_kept(base, base + pieces * part**2 * change, pieces) for part in shares]
        told = [surely_kept(one) if by_bound else one.value for one in found]
        missed += np.exp(-0.1 * shares[choose(shares.tolist(), told.__getitem__, 0.95)] ** 2) < 0.95
    return missed / runs


def told_apart(runs: int, comparisons: int) -> float:
    """Of families of so many comparisons of arms that are alike, the share with any word of a difference."""
    from pipeline.measuring.statistics.comparison import verdicts

    found = 0
    for run in range(runs):
        random = np.random.default_rng([run, 3])
        apart = [minus(*arms(random, labels_of(300), 1, 0.0)[0], draws=2000, seed=run) for _ in range(comparisons)]
        found += any(word in ("better", "worse") for _, word in verdicts(apart, 0.01))
    return found / runs


def no_worse_in_error(runs: int, texts: int, margin: float = 0.01) -> float:
    """How often an arm that is worse by just the margin is called no worse."""
    said = 0
    for run in range(runs):
        random, labels = np.random.default_rng([run, 9]), labels_of(texts)
        ease = np.sqrt(0.9) * random.normal(size=texts)
        sides = []
        for recall in (RECALL - margin, RECALL):
            right = ease + np.sqrt(0.1) * random.normal(size=texts) < norm.ppf(recall)
            sides.append(classified(labels, np.where(right, labels, (labels + 1) % 3), macro_recall))
        said += verdict(minus(*sides, draws=DRAWS, seed=run), margin=margin) in ("no-worse", "better")
    return said / runs


def rows(runs: int) -> Iterator[tuple[str, Sequence[float]]]:
    """What is simulated, and the shares that came of it."""
    sizes, seeds = (300, 1_200, 12_000), (1, 3, 5)
    for texts in sizes:
        yield f"macro-recall, {texts} texts; 1, 3, 5 seeds", [held(runs, of_one_arm(texts, count)) for count in seeds]
        yield f"difference, {texts} texts; 1, 3, 5 seeds", [held(runs, of_two_arms(texts, count)) for count in seeds]
    yield "difference, 10 of 300 texts of a class; 1, 3, 5 seeds", [held(runs, of_two_arms(300, s, 10)) for s in seeds]
    yield "macro-recall, 10 of 300 texts of a class; 1, 3, 5 seeds", [held(runs, of_one_arm(300, s, 10)) for s in seeds]
    yield "difference, 5 folds; 300, 1,200 texts", [held(runs, of_two_arms(n, 1, folds=5)) for n in sizes[:2]]
    luck = 5 * LUCK
    yield (
        "difference, seeds 5 points apart, 1,200 texts; 3, 5",
        [held(runs, of_two_arms(1_200, s, luck=luck)) for s in (3, 5)],
    )
    for documents in (36, 71, 300):
        yield (
            f"masked words kept, {documents} documents; 1, 3, 5 seeds",
            [held(runs, of_kept(documents, count)) for count in seeds],
        )
    yield "grammar, 12 phenomena: drawn whole; pair by pair", [held(runs, of_grammar(whole)) for whole in (True, False)]
    yield "a share of 15, 60, 300 at 0.95", [held(runs, of_share(n, 0.95)) for n in (15, 60, 300)]
    yield "negation, 20 words; alike by 0.2, 0.5, 0.9", [held(runs, of_words(alike)) for alike in (0.2, 0.5, 0.9)]
    yield "calibration error 0.2; 300, 1,200 texts", [held(runs, of_calibration(n, 0.2)) for n in sizes[:2]]
    yield "calibrated: 0 held; 300, 1,200 texts", [held(runs, of_calibration(n, 0.0)) for n in sizes[:2]]
    for documents in (20, 36, 200):
        yield (
            f"budget missed, {documents} documents: by bound; by value",
            [budget_missed(documents, runs, by_bound) for by_bound in (True, False)],
        )
    yield "any word of difference among 1, 10 comparisons of what is alike", [told_apart(runs, n) for n in (1, 10)]
    yield (
        "no worse, said of an arm worse by the margin; 1,200, 12,000 texts",
        [no_worse_in_error(runs, n) for n in sizes[1:]],
    )


if __name__ == "__main__":
    for what, found in rows(400):
        print(f"| {what} | {' / '.join(f'{100 * one:.1f}' for one in found)} |", flush=True)
