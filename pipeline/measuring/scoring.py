"""Forward passes that score, never train: class probabilities, guesses at hidden pieces, likelihoods of sentences.

All of them run in float32 and eval mode, in batches of similar length, and give their results in the order of the
input. Vocabulary logits are computed at hidden positions only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from pipeline.measuring.masks import FixedMasks, Window
from pipeline.models.batches import FORWARD_TOKENS, Ids, Ragged, as_inputs, length_buckets
from pipeline.models.encoder import Places, last_states
from pipeline.models.memory import bound_kernel_cache

HEAD_ROWS = 512
"""Positions that go through the vocabulary head at once: bounds the memory of their logits (512 x 30,522: 60 MB)."""

DIGITS = 6
"""Decimals kept of probabilities."""
Scores = NDArray[np.float64]
Known = dict[bytes, Scores]
"""Class probabilities [3] of texts that a model has read, by the bytes of their ids."""
Model = TypeVar("Model", bound=nn.Module)


@torch.inference_mode()
def class_probabilities(
    model: nn.Module, ids: Sequence[Ids], *, tokens_per_batch: int | None = None, known: Known | None = None
) -> Scores:
    """Probabilities [n, 3] of each text's classes, in the order of ``LABELS``; texts of the same ids count once.

    Args:
        known: what this model has said before, which is not asked again; what it says now is added.
    """
    ready(model)
    known = {} if known is None else known
    keys = [row.tobytes() for row in ids]
    texts = {key: row for key, row in zip(keys, ids, strict=True) if key not in known}
    names, new = list(texts), list(texts.values())
    for rows in in_batches(new, tokens_per_batch, "classify", model):
        inputs = as_inputs([new[row] for row in rows], 0, model)
        found = model(**inputs).logits.double().softmax(dim=-1).cpu().numpy()
        known.update(zip([names[row] for row in rows], found, strict=True))
    return np.array([known[key] for key in keys]).reshape(-1, 3)


def both_readings(
    model: nn.Module, ids: Ragged, plain: Ragged, tokens_per_batch: int | None = None, known: Known | None = None
) -> tuple[Scores, Scores]:
    """Probabilities [n, 3], rounded, of texts as prepared and as they came, which a plain pipeline reads.

    What reads the same either way costs nothing.
    """
    found = class_probabilities(model, ids + plain, tokens_per_batch=tokens_per_batch, known=known).round(DIGITS)
    return found[: len(ids)], found[len(ids) :]


@torch.inference_mode()
def pooled_states(model: Any, ids: Sequence[Ids]) -> Scores:
    """What a classifier's pooler makes of each text, [texts, hidden]."""
    bert = ready(model).bert
    found = np.empty((len(ids), bert.config.hidden_size))
    for rows in in_batches(ids, None, "features", model):
        inputs = as_inputs([ids[row] for row in rows], 0, model)
        found[rows] = bert(**inputs).pooler_output.double().cpu().numpy()
    return found


@torch.no_grad()  # not inference_mode: heads are trained on what it gives
def masked_states(model: nn.Module, masks: FixedMasks, *, tokens_per_batch: int | None = None) -> Tensor:
    """The encoder's last states [hidden pieces, hidden] at what ``masks`` hide, in its order: what heads guess by."""
    ready(model)
    windows = masks.windows
    found: dict[int, Tensor] = {}
    for rows in in_batches([window.input_ids for window in windows], tokens_per_batch, "masked loss", model):
        asked = [windows[row] for row in rows]
        hidden = [with_masks(window.input_ids, window.masked, masks.mask_id) for window in asked]
        places = [(row, place) for row, window in enumerate(asked) for place in window.masked]
        states = states_at(model, hidden, places)
        found |= zip(rows, torch.split(states, [len(window.masked) for window in asked]), strict=True)
    return torch.cat([found[row] for row in range(len(windows))])


@torch.inference_mode()
def masked_nats(
    model: nn.Module,
    masks: FixedMasks,
    *,
    base_vocabulary_size: int,
    tokens_per_batch: int | None = None,
    states: Tensor | None = None,
) -> list[dict[str, Any]]:
    """How many nats each document's hidden pieces cost the model.

    New rows in the vocabulary take probability from the old ones without anything having been forgotten, so the figure
    to compare models by is taken over the base's vocabulary alone.

    Args:
        model: a BERT with its MLM head; ids below ``base_vocabulary_size`` mean the same to it as to the base.
        states: ``masked_states`` of its encoder, where they are known.

    Returns:
        One row a document, in the order of ``masks``: ``id``; ``nats`` (softmax over the base vocabulary) and
        ``nats_full`` (over all rows), sums over the document's hidden pieces; ``masked``, their number; ``correct``,
        how many the base-vocabulary favourite got right; ``bytes`` of text that they stand for.
    """
    states = masked_states(model, masks, tokens_per_batch=tokens_per_batch) if states is None else states
    windows = masks.windows
    targets = [window.input_ids[place] for window in windows for place in window.masked]
    starts = np.cumsum([0] + [len(window.masked) for window in windows[:-1]])
    found = np.add.reduceat(_guess(model, states, targets, base_vocabulary_size), starts)
    return [_sum_of(name, list(group)) for name, group in groupby(zip(windows, found, strict=True), lambda w: w[0].id)]


def _sum_of(document: str, scored: Sequence[tuple[Window, Scores]]) -> dict[str, Any]:
    nats, nats_full, correct = np.sum([score for _, score in scored], axis=0).tolist()
    return {
        "id": document,
        "nats": nats,
        "nats_full": nats_full,
        "masked": sum(len(window.masked) for window, _ in scored),
        "correct": int(correct),
        "bytes": sum(window.bytes for window, _ in scored),
    }


@torch.inference_mode()
def pseudo_log_likelihoods(
    model: nn.Module,
    tokenizer: Any,
    sentences: Sequence[str],
    *,
    vocabulary_size: int,
    tokens_per_batch: int | None = None,
) -> Scores:
    """Log-likelihood [n] of each sentence in nats: the sum over its pieces, each guessed with itself hidden.

    Salazar et al. 2020, "Masked Language Model Scoring", corrected after Kauf & Ivanova 2023, "A Better Way to Do
    Masked Language Model Scoring": the later pieces of the same word are hidden too, else they give the piece away.

    Args:
        vocabulary_size: the softmax runs over ids below it (the base's for all models of a comparison).
    """
    ready(model)
    encoded = tokenizer(list(sentences), truncation=True, max_length=model.config.max_position_embeddings)  # type: ignore[union-attr]
    ids = encoded["input_ids"]
    queries = [query for place in range(len(ids)) for query in _queries(place, encoded.word_ids(place))]
    found = np.zeros(len(ids))
    for rows in in_batches([ids[queries[row][0]] for row in range(len(queries))], tokens_per_batch, "sentences", model):
        asked = [queries[row] for row in rows]
        hidden = [with_masks(ids[place], range(start, end), tokenizer.mask_token_id) for place, start, end in asked]
        targets = [ids[place][start] for place, start, _ in asked]
        places = [(row, start) for row, (_, start, _) in enumerate(asked)]
        guesses = _guess(model, states_at(model, hidden, places), targets, vocabulary_size)
        np.subtract.at(found, [place for place, _, _ in asked], guesses[:, 0])
    return found


def ready(model: Model) -> Model:
    """The model in eval mode on the fastest device there is.

    Raises:
        ValueError: not in float32: differences between models would drown in rounding.
    """
    bound_kernel_cache()
    kinds = {parameter.dtype for parameter in model.parameters()}
    if kinds != {torch.float32}:
        raise ValueError(f"scoring needs a float32 model, not {sorted(map(str, kinds))}; load it with dtype float32")
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def _queries(place: int, words: Sequence[int | None]) -> Iterator[tuple[int, int, int]]:
    """(sentence, position of a piece, end of its word) for each piece that belongs to a word, not [CLS] or [SEP]."""
    for start, word in enumerate(words):
        if word is not None:
            end = start + 1
            while words[end] == word:
                end += 1
            yield place, start, end


def _guess(model: nn.Module, states: Tensor, targets: Sequence[int], base_vocabulary_size: int) -> Scores:
    """[places, 3]: nats of the target over the base vocabulary, over all rows, and whether it is the favourite."""
    wanted = torch.tensor(targets, device=states.device)
    parts = []
    for start in range(0, len(targets), HEAD_ROWS):
        target = wanted[start : start + HEAD_ROWS, None]
        logits = model.cls(states[start : start + HEAD_ROWS])  # type: ignore[operator]
        base, new = logits[:, :base_vocabulary_size], logits[:, base_vocabulary_size:]
        hit = base.argmax(dim=-1, keepdim=True) == target
        score, within = logits.gather(1, target), base.logsumexp(dim=-1, keepdim=True)
        whole = torch.logaddexp(within, new.logsumexp(dim=-1, keepdim=True)) if new.shape[1] else within
        parts.append(torch.cat([within - score, whole - score, hit.float()], dim=1).double().cpu())
    return torch.cat(parts).numpy()


def states_at(model: Any, texts: Sequence[NDArray[np.int64]], places: Sequence[tuple[int, int]]) -> Tensor:
    """The encoder's last states [places, hidden] at (row, column) of a batch of texts; rows in rising order."""
    inputs = as_inputs(texts, 0, model)
    rows, columns = torch.tensor(places, device=inputs["input_ids"].device).T
    states = model.bert.embeddings(inputs["input_ids"])
    return last_states(model.bert, states, inputs["attention_mask"], Places.at(rows, columns))


def in_batches(
    rows: Sequence[Sequence[int] | NDArray[np.int32]], tokens_per_batch: int | None, what: str, model: nn.Module
) -> Iterator[list[int]]:
    """Row numbers, a batch of similar length at a time, under a progress bar that says ``what``."""
    budget = tokens_per_batch or FORWARD_TOKENS[next(model.parameters()).device.type]
    buckets = length_buckets([len(row) for row in rows], budget)
    yield from tqdm(buckets, desc=what, disable=None, leave=False)


def with_masks(ids: Sequence[int], places: Sequence[int] | range, mask_id: int) -> NDArray[np.int64]:
    """The ids with ``mask_id`` at these places."""
    hidden = np.array(ids, dtype=np.int64)
    hidden[list(places)] = mask_id
    return hidden
