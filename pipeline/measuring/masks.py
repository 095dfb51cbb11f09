"""The fixed cloze test that every model of a run is put to: which pieces of which texts are hidden, chosen once.

A seeded collator is not enough: its generator runs on, so a second evaluation sees other masks. Here each document's
masks depend on nothing but the seed, its id and its text. The pieces are the base tokenizer's; grown models keep the
base's ids and append theirs, so one set of ids serves them all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

MLM_PROBABILITY = 0.15
"""Share of the pieces that ``general_masks`` hides."""


@dataclass(frozen=True)
class Window:
    """A stretch of a document that fits the model, and the positions in it that are to be guessed."""

    id: str
    """The document's."""
    input_ids: tuple[int, ...]
    """[CLS], the pieces as they are (not hidden), [SEP]."""
    masked: tuple[int, ...]
    """Positions in ``input_ids``, ascending; at least one."""
    bytes: int
    """UTF-8 bytes of the text that the masked pieces stand for, white space not counted."""


@dataclass(frozen=True)
class FixedMasks:
    """The windows of all documents, in order, and the id that stands in for a hidden piece."""

    windows: tuple[Window, ...]
    mask_id: int

    @cached_property
    def digest(self) -> str:
        """sha256 of everything in here: equal digests, equal test."""
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.rows())
        return hashlib.sha256(f"{self.mask_id}\n{lines}".encode()).hexdigest()

    def rows(self) -> list[dict[str, Any]]:
        """One JSON object a window."""
        return [dict(vars(window)) for window in self.windows]


def choose_fixed_masks(
    tokenizer: Any,
    documents: Iterable[tuple[str, str]],
    *,
    mlm_probability: float,
    max_length: int,
    windows_per_document: int,
    seed: int,
) -> FixedMasks:
    """Cut documents into windows and choose the pieces to hide in each: a fixed share, at least one.

    [UNK] is never hidden: guessing it means nothing. Documents without any other piece are left out.

    Args:
        tokenizer: the base model's.
        documents: (id, text).
        max_length: pieces in a window, [CLS] and [SEP] counted.
        windows_per_document: the rest of a longer document is not used.
    """
    documents = list(documents)
    room = max_length - 2
    encoded = tokenizer(
        [text for _, text in documents],
        add_special_tokens=False,
        return_offsets_mapping=True,
        truncation=True,
        max_length=room * windows_per_document,
    )
    special = set(tokenizer.all_special_ids)
    windows: list[Window] = []
    for (name, text), ids, offsets in zip(documents, encoded["input_ids"], encoded["offset_mapping"], strict=True):
        random = np.random.default_rng(list(hashlib.sha256(f"{seed}\n{name}\n{text}".encode()).digest()))
        for start in range(0, len(ids), room):
            pieces, places = ids[start : start + room], offsets[start : start + room]
            chosen = _choose(pieces, special, mlm_probability, random)
            if chosen:
                size = sum(len(text[slice(*places[place])].encode()) for place in chosen)
                framed = (tokenizer.cls_token_id, *pieces, tokenizer.sep_token_id)
                windows.append(Window(name, framed, tuple(place + 1 for place in chosen), size))
    return FixedMasks(tuple(windows), int(tokenizer.mask_token_id))


def _choose(pieces: Sequence[int], special: set[int], share: float, random: np.random.Generator) -> list[int]:
    """Places of the pieces to hide, ascending; none where there are only special ones."""
    maskable = [place for place, piece in enumerate(pieces) if piece not in special]
    count = max(1, round(share * len(maskable))) if maskable else 0
    return sorted(random.choice(maskable, size=count, replace=False).tolist()) if count else []


def general_masks(
    tokenizer: PreTrainedTokenizerFast,
    first_row: int,
    documents: Sequence[tuple[str, str]],
    windows: int,
    max_length: int,
) -> FixedMasks:
    """At most ``windows`` fixed masked windows, as many of each document, in the pieces of the base's tokenizer.

    Args:
        tokenizer: the base's, or grown by tokens from id ``first_row`` on.
        documents: (id, text), at least one and no more than ``windows``.
    """
    return choose_fixed_masks(
        without_rows(tokenizer, first_row),
        documents,
        mlm_probability=MLM_PROBABILITY,
        max_length=max_length,
        windows_per_document=max(1, windows // len(documents)),
        seed=0,
    )


def without_rows(tokenizer: PreTrainedTokenizerFast, first_row: int) -> PreTrainedTokenizerFast:
    """The tokenizer as it was before tokens from id ``first_row`` on were added."""
    described = json.loads(tokenizer.backend_tokenizer.to_str())
    described["added_tokens"] = [token for token in described["added_tokens"] if token["id"] < first_row]
    # Its own special tokens are told: a class that is not told them adds those of its kind, at ids of other tokens.
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    before = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(described)), **special)
    assert len(before) == first_row, f"{len(before)} tokens where ids below {first_row} were kept"
    return before
