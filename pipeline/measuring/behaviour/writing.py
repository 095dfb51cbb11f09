"""Test reviews written once more as in a hurry, one kind of informal writing at a time (``text.noise``).

An invariance test of Ribeiro et al. 2020, section 2: what is said stays, so should the class. Of the texts that a kind
can change and that were called right, the share that still is; the interval is Wilson's, of texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.measuring.behaviour.asked import Behaviour, Classify, Review
from pipeline.measuring.statistics.bootstrap import Figure, share
from pipeline.text.noise import noisy

RATE = 0.3
"""Of the words that a kind can change: a text in a hurry, still readable."""
KINDS = {
    "slang": "slang for plain words, %",
    "typos": "a neighbouring key, %",
    "dropped": "a letter left out, %",
    "elongated": "a vowel drawn out, %",
}


def measure(classify: Classify, reviews: Sequence[Review], seed: int) -> Mapping[str, Figure]:
    """By kind, the share of right answers that stay right."""
    plain = [row["text"] for row in reviews]
    right = [called == row["label"] for called, row in zip(classify(plain), reviews, strict=True)]
    found = {}
    for kind in KINDS:
        written = noisy(plain, [kind], share=1.0, rate=RATE, seed=seed)
        asked = [(text, row["label"]) for text, row, sure in zip(written, reviews, right, strict=True)
                 if sure and text != row["text"]]  # fmt: skip
        called = classify([text for text, _ in asked])
        found[kind] = share([one == label for one, (_, label) in zip(called, asked, strict=True)])
    return found


BEHAVIOUR = Behaviour(
    "Ways of writing",
    f"Test reviews that were called right, written once more, {RATE:.0%} of the words changed that a kind can change. "
    "The share that is still called right; higher is better.",
    KINDS,
    measure,
)
