"""What the frozen layers make of each text, computed once and shared by all runs that freeze the same weights.

A frozen prefix gives the same states in every epoch, and for every seed, arm, fold and trial. They are kept in a folder
per prefix, in files named by their own digest: one that is damaged is never used.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from pipeline.common.files import digest, held, remove, sha256
from pipeline.learning import embedding_subset
from pipeline.learning.options import FrozenCache
from pipeline.models.batches import FORWARD_TOKENS, Feed, Ids, padded
from pipeline.models.encoder import packed_states

MEGABYTE = 2**20
Found = dict[bytes, NDArray[Any]]
"""States [length, hidden] by the ``key`` of their text."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class States:
    """States of texts after the first ``layers`` layers, found by the texts' ids."""

    layers: int
    found: Found
    """After the model's last layer of [CLS] alone, [1, hidden], if not every token was asked for."""

    @property
    def megabytes(self) -> float:
        """What they take, whether in memory or on disk."""
        return sum(states.nbytes for states in self.found.values()) / MEGABYTE

    def of(self, ids: Ids) -> NDArray[Any]:
        """A text's, [length, hidden]."""
        return self.found[key(ids)]

    def inputs(self, rows: Sequence[Ids]) -> dict[str, Any]:
        """What a ``Classifier`` reads instead of ids: float32 states [rows, longest, hidden], their mask and place."""
        chosen = [self.of(row) for row in rows]
        lengths = torch.tensor([len(states) for states in chosen])
        stacked = np.zeros((len(rows), int(lengths.max()), chosen[0].shape[1]), dtype=np.float32)
        for place, states in enumerate(chosen):
            stacked[place, : len(states)] = states
        mask = (torch.arange(stacked.shape[1]) < lengths[:, None]).long()
        return {"states": torch.from_numpy(stacked), "attention_mask": mask, "first_layer": self.layers}


def key(ids: Ids) -> bytes:
    """A text's name: 32 bytes of its ids."""
    return hashlib.sha256(np.asarray(ids, dtype="<i4").tobytes()).digest()


@contextmanager
def feed(
    model: Any,
    texts: Iterable[Ids],
    options: FrozenCache,
    *,
    layers: int,
    padding: int,
    bf16: bool,
    folder: Path,
    beside: Sequence[Ids] = (),
) -> Iterator[tuple[Feed, float, Tensor | None]]:
    """What batches of some texts are made of, the megabytes it takes, and where each id's embedding now is, if moved.

    States after the first ``layers`` layers where those are frozen and may be kept; else ids, of a model that holds no
    embeddings meanwhile but theirs and those of what is read ``beside`` them (``embedding_subset``).
    """
    if options.dtype is not None and is_frozen(model, layers):
        states = states_of(model, texts, options, layers=layers, bf16=bf16, folder=folder)
        yield states.inputs, round(states.megabytes, 1), None
        return
    with embedding_subset.alone(model, chain(texts, beside)) as table:
        yield partial(padded, padding=padding, table=table), 0.0, table


def is_frozen(model: Any, layers: int) -> bool:
    """Whether the first ``layers`` layers, one at least, and the embeddings hold nothing that learns."""
    return layers > 0 and not any(
        weight.requires_grad for part in _parts(model, layers) for weight in part.parameters()
    )


def states_of(
    model: Any,
    texts: Iterable[Ids],
    options: FrozenCache,
    *,
    layers: int,
    bf16: bool,
    folder: Path,
    every_token: bool = False,
) -> States:
    """States of every distinct text after the first ``layers`` layers as they are now.

    Those that training will go on from must be frozen (``is_frozen``).

    Args:
        model: a BERT classifier, or one with adapters above the frozen layers.
        bf16: compute them as training under bf16 autocast would.
        folder: keeps them for later runs; may vanish at any time.
        every_token: after the last layer, too, where a classifier reads [CLS] alone.

    Raises:
        OSError: too much for the memory allowed, and ``folder`` cannot be written.
    """
    wanted, dtype = {key(ids): ids for ids in texts}, str(options.dtype)
    every_token = every_token or layers < model.config.num_hidden_layers
    numbers = sum(len(ids) if every_token else 1 for ids in wanted.values()) * model.config.hidden_size
    fits = numbers * np.dtype(dtype).itemsize <= options.memory_megabytes * MEGABYTE
    shelf = folder / _identity(model, layers, dtype, bf16, every_token)
    with held(shelf):
        found = {name: states for name, states in _kept(shelf, dtype, model) if name in wanted}
        missing = {name: ids for name, ids in wanted.items() if name not in found}
        if missing:
            with suppress(OSError):  # somebody else tidies, or nobody may
                _tidy(folder, shelf, options.disk_megabytes)
            try:
                path = _write(shelf, _compute(model, missing, layers, dtype, bf16, every_token))
                found |= _read(path, dtype, model)
            except OSError as problem:
                if not fits:
                    raise
                log.warning("states cannot be kept in %s (%s); the next run computes them again", shelf, problem)
                for names, block in _compute(model, missing, layers, dtype, bf16, every_token):
                    found |= zip(names, block, strict=True)
    return States(layers, {name: np.array(states) for name, states in found.items()} if fits else found)


def _parts(model: Any, layers: int) -> list[nn.Module]:
    return [model.bert.embeddings, *model.bert.encoder.layer[:layers]]


def _identity(model: Any, layers: int, dtype: str, bf16: bool, every_token: bool) -> str:
    """Digest of all that the states depend on but the texts: weights, shape, arithmetic."""
    weights = hashlib.sha256()
    for part in _parts(model, layers):
        for name, tensor in part.state_dict().items():
            weights.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            weights.update(tensor.cpu().numpy().tobytes())
    config, device = model.config, _device()
    shape = [config.num_attention_heads, config.hidden_act, config.layer_norm_eps, config._attn_implementation]
    return digest(
        [weights.hexdigest(), every_token, *shape, dtype, bf16, device, FORWARD_TOKENS[device], torch.__version__]
    )


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


@torch.no_grad()
def _compute(
    model: Any, texts: Mapping[bytes, Ids], layers: int, dtype: str, bf16: bool, every_token: bool
) -> Iterator[tuple[list[bytes], list[NDArray[Any]]]]:
    """States of texts, some at a time: their keys, and of each [length, hidden], or [1, hidden] of [CLS].

    Products of another shape may round otherwise. So texts are laid end to end, unpadded, in blocks of always the same
    size, filled up with texts of one token: a text's states do not depend on the texts around it, nor what a run
    computes on which runs have been there before.
    """
    device, bert = _device(), model.to(_device()).bert
    for part in _parts(model, layers):
        part.eval()
    by_length = sorted(texts, key=lambda name: len(texts[name]))
    size = max(FORWARD_TOKENS[device], len(texts[by_length[-1]]))
    bar = tqdm(total=len(texts), desc="frozen layers", disable=None, leave=False)
    with bar, _cast(_parts(model, layers), bf16):
        for block in _blocks([len(texts[name]) for name in by_length], size):
            names = [by_length[place] for place in block]
            ids, positions, groups = _end_to_end([texts[name] for name in names], size)
            with torch.autocast(device, torch.bfloat16, enabled=bf16):
                entering = bert.embeddings(ids.to(device), position_ids=positions.to(device))[0]
                states = packed_states(bert, entering, groups, layers)
            found = states.to(getattr(torch, dtype)).cpu().numpy()
            starts = np.cumsum([0] + [len(texts[name]) for name in names[:-1]])
            kept = [len(texts[name]) if every_token else 1 for name in names]
            yield names, [found[start : start + tokens] for start, tokens in zip(starts, kept, strict=True)]
            bar.update(len(names))


def _end_to_end(texts: Sequence[Ids], size: int) -> tuple[Tensor, Tensor, list[tuple[int, int]]]:
    """Ids and positions [1, size] of texts one after the other, and the lengths of those, (how many, how long)."""
    lengths = [len(ids) for ids in texts]
    rest = size - sum(lengths)
    ids = np.concatenate([*texts, np.zeros(rest, dtype=np.int32)]).astype(np.int64)
    positions = [place for length in lengths for place in range(length)] + [0] * rest
    groups = [(len(list(same)), length) for length, same in groupby(lengths)] + [(rest, 1)] * bool(rest)
    return torch.from_numpy(ids)[None], torch.tensor([positions]), groups


def _blocks(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Places of texts, in order, as many at a time as come to ``size`` tokens."""
    block: list[int] = []
    tokens = 0
    for place, length in enumerate(lengths):
        if tokens + length > size:
            yield block
            block, tokens = [], 0
        block.append(place)
        tokens += length
    yield block


@contextmanager
def _cast(parts: Sequence[nn.Module], bf16: bool) -> Iterator[None]:
    """Have the weights of all products in bfloat16 for a while: autocast would cast them anew for every small batch."""
    products = [module for part in parts for module in part.modules() if isinstance(module, nn.Linear)] if bf16 else []
    weights = [(weight, weight.data) for product in products for weight in product.parameters()]
    for weight, _ in weights:
        weight.data = weight.data.to(torch.bfloat16)
    try:
        yield
    finally:
        for weight, data in weights:
            weight.data = data


def _write(shelf: Path, blocks: Iterable[tuple[list[bytes], list[NDArray[Any]]]]) -> Path:
    """Write a folder of states that is named by its digest, whole or not at all; return it."""
    shelf.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=shelf, prefix="draft-", ignore_cleanup_errors=True) as place:
        draft = Path(place)
        keys: list[bytes] = []
        lengths: list[int] = []
        with (draft / "states").open("wb") as file:  # not a memory map: a full disk is an error, not a crash
            for names, block in blocks:
                for states in block:
                    file.write(states.tobytes())
                keys += names
                lengths += map(len, block)
        np.save(draft / "keys.npy", np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 32))
        np.save(draft / "lengths.npy", np.array(lengths))
        final = shelf / sha256(draft)
        if not final.exists():
            draft.rename(final)
    return final


def _tidy(folder: Path, used: Path, megabytes: int) -> None:
    """Clear away what killed runs left, and the shelves that were not used for longest, until the rest fits."""
    if used.exists():
        used.touch()  # the newest, whether or not anything is added to it
    size = 0.0
    for shelf in sorted(folder.glob("[0-9a-f]" * 64), key=lambda each: each.stat().st_mtime, reverse=True):
        with nullcontext(True) if shelf == used else held(shelf, timeout=0) as free:
            if free:
                for draft in shelf.glob("draft-*"):
                    remove(draft)
            size += sum(path.stat().st_size for path in shelf.rglob("*") if path.is_file()) / MEGABYTE
            if size > megabytes and free and shelf != used:
                remove(shelf)


def _kept(shelf: Path, dtype: str, model: Any) -> Iterator[tuple[bytes, NDArray[Any]]]:
    """All a shelf holds as it was written; what is damaged is deleted, what cannot be read passed over, saying so."""
    for path in sorted(shelf.glob("[0-9a-f]" * 64)):
        try:
            if sha256(path) == path.name:
                yield from _read(path, dtype, model)
            else:
                log.warning("states in %s are damaged; computing them again", path)
                remove(path)
        except OSError as problem:
            log.warning("states in %s cannot be used (%s); computing them again", path, problem)


def _read(path: Path, dtype: str, model: Any) -> Iterator[tuple[bytes, NDArray[Any]]]:
    """Keys and states of all texts of a folder, the states mapped, not read."""
    states = np.asarray(np.memmap(path / "states", dtype=dtype, mode="r")).reshape(-1, model.config.hidden_size)
    lengths = np.load(path / "lengths.npy")
    for row, end, length in zip(np.load(path / "keys.npy"), np.cumsum(lengths).tolist(), lengths.tolist(), strict=True):
        yield row.tobytes(), states[end - length : end]
