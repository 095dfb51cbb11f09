"""What an emoji means to a model: how far it pulls a neutral sentence towards positive or negative.

A classifier is asked for its classes. A masked language model has none, and is asked which words it expects: those of
praise or those of blame (a prompt, as in Schick & Schütze 2021, "Exploiting Cloze Questions for Few Shot Text
Classification"). An emoji that the tokenizer does not know has no polarity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import BertTokenizerFast
from transformers.utils import logging as transformers_logging

from pipeline.common.labels import LABEL_TO_ID
from pipeline.measuring.scoring import Scores, class_probabilities, in_batches, ready
from pipeline.models import loading, vocabulary
from pipeline.models.batches import as_inputs
from pipeline.models.masked_lm import MaskedLM
from pipeline.models.reader import Reader

VERSION = 1
"""Raise it when the same model and emoji get other polarities."""
DIGITS = 4
"""Decimals kept: what lies below differs between machines."""
FRAMES = (
    "The parcel came on Tuesday",
    "I ordered it last week",
    "We had dinner there yesterday",
    "This is my second order",
    "It is the blue one",
    "I got the email this morning",
    "They are next to the station",
    "My sister has one too",
)
"""Sentences without an opinion, for classifiers."""
CLOZES = (
    "it was {} .",
    "this is {} .",
    "they were {} .",
    "overall it was {} .",
    "the service was {} .",
    "i think it is {} .",
)
"""Sentences whose one opinion is hidden, for masked language models."""
PRAISE = ("good", "great", "love", "loved", "happy", "nice", "beautiful", "perfect", "best", "wonderful", "excellent")
BLAME = ("bad", "awful", "hate", "hated", "sad", "poor", "ugly", "terrible", "worst", "horrible", "wrong")

Texts = Mapping[str, str]
"""emoji -> the text that the model gets for it: the emoji itself, or its name where emoji are read as ``words``."""


def in_classifier(
    model: Any, tokenizer: BertTokenizerFast, emoji: Texts, *, tokens_per_batch: int | None = None
) -> dict[str, Any]:
    """Mean over ``FRAMES`` of P(positive) - P(negative) with the emoji appended, minus the same without it.

    Returns:
        ``emoji``: polarity (-2 to 2) by emoji, in the order given; ``asked``: how many emoji there were; ``unknown``:
        how many of them the tokenizer reads as [UNK], which have no polarity.
    """

    def lean(texts: Sequence[str]) -> Scores:
        ids = Reader(tokenizer, "none", min(tokenizer.model_max_length, 128)).plain_ids(texts)
        found = class_probabilities(model, ids, tokens_per_batch=tokens_per_batch)
        balance: Scores = found[:, LABEL_TO_ID["positive"]] - found[:, LABEL_TO_ID["negative"]]
        return balance

    return _shifts(FRAMES, emoji, tokenizer, lean)


def in_masked_lm(
    model: MaskedLM, tokenizer: BertTokenizerFast, emoji: Texts, *, tokens_per_batch: int | None
) -> dict[str, Any]:
    """Mean over ``CLOZES`` of (mean log P(praise) - mean log P(blame)) at [MASK] with the emoji, minus without [nats].

    Words that are not one piece of the vocabulary are left out; without a word on either side no emoji has a polarity.
    The softmax divides both sides by the same sum, which cancels in their difference: so their logits are enough, and
    rows added for emoji change nothing.

    Returns:
        As ``in_classifier``, and ``words``: how many words of praise and of blame were asked for.
    """
    known = tokenizer.get_vocab()
    praise, blame = ([known[word] for word in words if word in known] for words in (PRAISE, BLAME))
    told = {"words": [len(praise), len(blame)]}
    if not praise or not blame:
        return {"emoji": {}, "asked": len(emoji), "unknown": _unknown(tokenizer, emoji), **told}
    frames = [cloze.format(tokenizer.mask_token) for cloze in CLOZES]

    def lean(texts: Sequence[str]) -> Scores:
        return _lean(model, tokenizer, texts, praise, blame, tokens_per_batch)

    return _shifts(frames, emoji, tokenizer, lean) | told


def _shifts(
    frames: Sequence[str], emoji: Texts, tokenizer: BertTokenizerFast, lean: Callable[[Sequence[str]], Scores]
) -> dict[str, Any]:
    """By how much each emoji changes what ``lean`` finds in a frame, the mean over frames; what the tokenizer cannot
    read is counted."""
    read = {name: text for name, text in emoji.items() if _reads(tokenizer, text)}
    scores = lean([*frames, *(f"{frame} {text}" for text in read.values() for frame in frames)])
    table = scores.reshape(len(read) + 1, len(frames))
    shifts = (table[1:] - table[0]).mean(axis=1).round(DIGITS).tolist()
    return {"emoji": dict(zip(read, shifts, strict=True)), "asked": len(emoji), "unknown": _unknown(tokenizer, emoji)}


def _reads(tokenizer: BertTokenizerFast, text: str) -> bool:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return bool(ids) and tokenizer.unk_token_id not in ids


def _unknown(tokenizer: BertTokenizerFast, emoji: Texts) -> int:
    return sum(not _reads(tokenizer, text) for text in emoji.values())


@torch.inference_mode()
def _lean(
    model: MaskedLM,
    tokenizer: BertTokenizerFast,
    texts: Sequence[str],
    praise: Sequence[int],
    blame: Sequence[int],
    tokens_per_batch: int | None = None,
) -> Scores:
    """Mean logit of praise less mean logit of blame at each text's one [MASK]: [texts]."""
    head = ready(model).cls.predictions
    ids = tokenizer(list(texts))["input_ids"]
    found = torch.empty(len(ids), dtype=torch.float64)
    for rows in in_batches(ids, tokens_per_batch, "polarity", model):
        inputs = as_inputs([ids[row] for row in rows], tokenizer.pad_token_id, model)
        states = model.bert(**inputs).last_hidden_state[inputs["input_ids"] == tokenizer.mask_token_id]
        states = head.transform(states)
        logits = (states @ head.decoder.weight[words].T + head.decoder.bias[words] for words in (praise, blame))
        sides = [each.double().mean(dim=1) for each in logits]
        found[rows] = (sides[0] - sides[1]).cpu()
    scores: Scores = found.numpy()
    return scores


def newborn(
    source: Path, grown: BertTokenizerFast, name_of: Callable[[str], str] | None, *, noise: float = 0.0, seed: int = 0
) -> MaskedLM:
    """The base with rows for the emoji of ``grown`` as they are before any training.

    Args:
        source: the base's folder.
        grown: a tokenizer with the base's tokens and more.
        name_of: words of an emoji's name: rows start from them; None: as ``resize_token_embeddings`` makes them
            (``mean_resizing``, transformers' default).
        noise, seed: see ``vocabulary.name_rows``; the library draws its rows too.
    """
    first = len(loading.load_tokenizer(source))
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # how rows are drawn is told here, not on every user's screen
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = loading.load_masked_lm(source)
            vocabulary.grow(model, grown, first, mean_resizing=name_of is None)
    finally:
        transformers_logging.set_verbosity(level)
    added = {place: token.content for place, token in sorted(grown.added_tokens_decoder.items()) if place >= first}
    if name_of and added:
        vocabulary.name_rows(model, grown, added, name_of, noise=noise, seed=seed)
    return model.eval()
