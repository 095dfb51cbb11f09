"""The rows of a prepared corpus as they lie on disk: what is held of each is where its line begins."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, overload

import numpy as np
from numpy.typing import NDArray

Row = dict[str, Any]
Rows = Sequence[Row]
"""Rows to look at, wherever they are."""


class StoredRows(Sequence[Row]):
    """Rows of files of JSON lines, all or some, in any order; each is read when it is asked for.

    Args:
        files: open.
        places: int64 [rows, 2]: which file, and the byte at which the row's line begins.
        beside: what the rows of each file have beside what stands there.
    """

    def __init__(
        self, files: Sequence[IO[bytes]], places: NDArray[np.int64], beside: Sequence[Mapping[str, Any]]
    ) -> None:
        self._files, self._places, self._beside = files, places, beside

    @classmethod
    def of(cls, path: Path) -> StoredRows:
        """All rows of a file; none where there is no such file."""
        if not path.exists():
            return cls((), np.empty((0, 2), np.int64), ())
        file = path.open("rb")
        ends = np.cumsum(np.fromiter(map(len, file), np.int64))
        begins = np.concatenate([[0], ends])[:-1]
        return cls([file], np.stack([np.zeros_like(begins), begins], axis=1), [{}])

    @classmethod
    def joined(cls, parts: Iterable[StoredRows]) -> StoredRows:
        """The rows of one after the other."""
        files: list[IO[bytes]] = []
        beside: list[Mapping[str, Any]] = []
        places = [np.empty((0, 2), np.int64)]
        for part in parts:
            places.append(part._places + np.array([len(files), 0]))
            files += part._files
            beside += part._beside
        return cls(files, np.concatenate(places), beside)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> StoredRows: ...
    def __getitem__(self, at: int | slice) -> Row | StoredRows:
        if isinstance(at, slice):
            return self.take(np.arange(len(self))[at])
        number, begin = self._places[at].tolist()
        file = self._files[number]
        file.seek(begin)
        return {**json.loads(file.readline()), **self._beside[number]}

    def take(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> StoredRows:
        """Those at some positions, or where a mask is true."""
        return StoredRows(self._files, self._places[which], self._beside)

    def where(self, holds: Callable[[Row], bool]) -> StoredRows:
        """Those of which something holds."""
        return self.take(np.fromiter(map(holds, self), np.bool_, len(self)))

    def beside(self, **more: Any) -> StoredRows:
        """The same rows, each with this beside what stands there."""
        return StoredRows(self._files, self._places, [{**known, **more} for known in self._beside])


def columns_of(rows: Iterable[Row], *names: str) -> list[list[Any]]:
    """Some columns of rows that are read once."""
    found: list[list[Any]] = [[] for _ in names]
    for row in rows:
        for name, column in zip(names, found, strict=True):
            column.append(row[name])
    return found
