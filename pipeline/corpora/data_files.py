"""Opening data files that others made: compressed or plain, decoded strictly, never more than was allowed for."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from pipeline.common.errors import InputError

OPENERS: dict[str, Callable[..., Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": lambda path, mode: io.BufferedReader(zstandard.open(path, mode)),
}
ARCHIVES = {".zip", ".tar", ".tgz", ".7z", ".rar"}


def kind(path: Path) -> str:
    """The format by the file's name, less a compression suffix: ``reviews.csv.gz`` is ``csv``."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in OPENERS:
        suffixes.pop()
    return suffixes[-1].removeprefix(".") if suffixes else ""


def lines(path: Path, place: str, *, encoding: str = "utf-8", max_bytes: int, advice: str = "") -> Iterator[str]:
    """The lines of a text file with their ends, a byte order mark removed. ``advice``: another way out of a wrong code.

    Raises InputError with the line (and byte, counted in the unpacked file) of what cannot be decoded, for a NUL byte,
    for a damaged archive, and once more than ``max_bytes`` have been unpacked.
    """
    with _opened(path, place) as handle:
        at = 0
        for number, raw in enumerate(_raw_lines(handle, path, place, encoding, max_bytes), start=1):
            try:
                line = raw.decode(encoding)
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{place}, line {number}, byte {at + error.start}: not {encoding.upper()}; save the file as UTF-8, "
                    f"as with `iconv -f latin1 -t utf-8 OLD > NEW`{advice}"
                ) from None
            if "\0" in line:
                raise InputError(f"{place}, line {number}: a NUL byte; is it UTF-16 or no text? Save it as UTF-8")
            at += len(raw)
            yield line.removeprefix("\ufeff") if number == 1 else line


def unpacked(path: Path, place: str, *, max_bytes: int) -> bytes:
    """The whole file, decompressed. Raises InputError as ``lines`` does."""
    with _opened(path, place) as handle:
        return b"".join(_limited(lambda: handle.read(1 << 20), path, place, max_bytes))


def _opened(path: Path, place: str) -> IO[bytes]:
    try:
        return cast(IO[bytes], OPENERS.get(path.suffix.lower(), Path.open)(path, "rb"))
    except OSError as error:
        raise InputError(f"{place}: cannot be read ({error.strerror}); check the path and its permissions") from None


def _raw_lines(handle: IO[bytes], path: Path, place: str, encoding: str, max_bytes: int) -> Iterator[bytes]:
    """Lines as bytes; in an encoding where a line end is more than the byte 10, the whole file as one piece."""
    if "\n".encode(encoding)[-1:] == b"\n" and len("\n".encode(encoding)) == 1:
        yield from _limited(lambda: handle.readline(max_bytes + 1), path, place, max_bytes)
        return
    whole = b"".join(_limited(lambda: handle.read(1 << 20), path, place, max_bytes))
    try:
        text = whole.decode(encoding)
    except UnicodeDecodeError:
        yield whole
        return
    yield from (line.encode(encoding) for line in text.splitlines(keepends=True))


def _limited(read: Callable[[], bytes], path: Path, place: str, max_bytes: int) -> Iterator[bytes]:
    taken = 0
    while True:
        try:
            piece = read()
        except (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
            raise InputError(f"{place}: damaged or not really {path.suffix} ({error}); fetch it again") from None
        if not piece:
            return
        taken += len(piece)
        if taken > max_bytes:
            raise InputError(f"{place}: unpacks to more than {max_bytes:,} bytes; split it, or raise max_file_bytes")
        yield piece
