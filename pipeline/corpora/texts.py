"""The texts of a corpus as they lie on disk, mapped into memory: what is held of each is its place.

They are written once, in Arrow record batches, to a file that has no name and ends with the process. What looks at them
gets one batch at a time, and numbers, a few bytes a text, of which it may hold all.
"""

from __future__ import annotations

import errno
import mmap
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from typing import IO, Any, TypeVar, overload

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from pipeline.common.errors import InputError

Name = TypeVar("Name")
_SCHEMA = pa.schema(
    {"id": pa.string(), "raw": pa.string(), "text": pa.string(), "label": pa.int8(), "domain": pa.string()}
)
_BATCH, _CHARACTERS = 4096, 1 << 23
"""The most texts, and about as many characters, of a batch."""
NO_LABEL = -1


@dataclass(slots=True)
class Text:
    """One text of a corpus. ``label`` is a class id for reviews, None elsewhere."""

    id: str
    raw: str
    text: str
    label: int | None = None
    fold: int | None = None
    """The fold that tests it, in a corpus that is scored by cross-validation."""
    domain: str | None = None
    """What its file says in the column that ``read_corpus`` was asked to look at."""


class Texts(Sequence[Text]):
    """Texts in the order of their file, all of it or some.

    Args:
        batches: the file's.
        places: of the texts in it, ascending.
        folds: of each text, in a corpus that is scored by cross-validation.
    """

    def __init__(
        self, batches: Sequence[Any], places: NDArray[np.int64], folds: NDArray[np.int8] | None = None
    ) -> None:
        self._batches, self._places, self.folds = batches, places, folds
        self._starts = np.cumsum([0, *map(len, batches)])

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Text]:
        folds = repeat(None) if self.folds is None else self.folds.tolist()
        for id_, raw, text, label, domain, fold in zip(*map(self.column, _SCHEMA.names), folds, strict=False):
            yield Text(id_, text if raw is None else raw, text, label, fold, domain)

    @overload
    def __getitem__(self, at: int) -> Text: ...
    @overload
    def __getitem__(self, at: slice) -> Texts: ...
    def __getitem__(self, at: int | slice) -> Text | Texts:
        if isinstance(at, slice):
            return self.take(np.arange(len(self))[at])
        return next(iter(self.take(np.array([range(len(self))[at]]))))

    def take(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> Texts:
        """Those at some positions, ascending, or where a mask is true."""
        return Texts(self._batches, self._places[which], None if self.folds is None else self.folds[which])

    def dealt(self, folds: NDArray[np.int8]) -> Texts:
        """The same texts, each with its fold."""
        return Texts(self._batches, self._places, folds)

    def cell(self, name: str, at: int) -> Any:
        """One field of one text; ``raw`` is None where it is the same as ``text``."""
        place = self._places[at]
        batch = int(np.searchsorted(self._starts, place, "right")) - 1
        return self._batches[batch].column(name)[int(place - self._starts[batch])].as_py()

    def column(self, name: str) -> Iterator[Any]:
        """One field of each text, as ``cell`` has it."""
        for part in self._parts(name):
            yield from part.to_pylist() if name == "label" else part.to_numpy(zero_copy_only=False)

    def labels(self) -> NDArray[np.int8]:
        """The class id of each text, or ``NO_LABEL``."""
        parts = [part.fill_null(NO_LABEL).to_numpy() for part in self._parts("label")]
        return np.concatenate([np.empty(0, np.int8), *parts])

    def _parts(self, name: str) -> Iterator[Any]:
        cuts = np.searchsorted(self._places, self._starts)
        for batch, start, first, last in zip(self._batches, self._starts, cuts, cuts[1:], strict=False):
            if first < last:
                yield batch.column(name).take(pa.array(self._places[first:last] - start))


NONE = Texts((), np.empty(0, np.int64))


def stored(texts: Iterable[tuple[Name, Text]]) -> dict[Name, Texts]:
    """Write texts to disk as they come, and give them back by the name that each came with."""
    places: dict[Name, array[int]] = {}
    with unnamed() as file:
        with pa.ipc.new_stream(file, _SCHEMA) as sink:
            held: list[Text] = []
            characters = 0
            for number, (name, text) in enumerate(texts):
                places.setdefault(name, array("q")).append(number)
                held.append(text)
                characters += len(text.raw)
                if len(held) == _BATCH or characters > _CHARACTERS:
                    sink.write_batch(_batch(held))
                    held, characters = [], 0
            sink.write_batch(_batch(held))
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    batches = list(pa.ipc.open_stream(pa.py_buffer(mapped)))
    return {name: Texts(batches, np.array(at, np.int64)) for name, at in places.items()}


@contextmanager
def unnamed() -> Iterator[IO[bytes]]:
    """A file that ends with the process, where the system keeps such. Raises InputError when there is no more room."""
    try:
        with tempfile.TemporaryFile() as file:
            yield file
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise InputError(f"disk full at {tempfile.gettempdir()}; free some space, or set TMPDIR to another") from None


def joined(parts: Sequence[Texts]) -> Texts:
    """Texts of several files, one after the other; their folds are left out."""
    lengths = [int(part._starts[-1]) for part in parts]
    begins = np.cumsum([0, *lengths])[:-1]
    places = [part._places + begin for part, begin in zip(parts, begins, strict=True)]
    return Texts(list(chain.from_iterable(part._batches for part in parts)), np.concatenate([NONE._places, *places]))


def _batch(texts: Sequence[Text]) -> Any:
    columns = {name: [getattr(text, name) for text in texts] for name in _SCHEMA.names}
    columns["raw"] = [None if text.raw == text.text else text.raw for text in texts]
    return pa.RecordBatch.from_pydict(columns, _SCHEMA)
