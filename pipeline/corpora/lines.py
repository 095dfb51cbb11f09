r"""The text of a file as lines: unpacked, decoded, cut at ``\n``, ``\r\n`` and ``\r`` and nowhere else.

Never more is unpacked than was allowed for, and what is no text at all is called by its real name.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import IO, Any

import zstandard

from pipeline.common.errors import InputError

MAX_FILE_BYTES = 4 << 30
OPENERS: dict[str, Callable[..., Any]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2Decompressor,
    ".xz": lzma.LZMADecompressor,
    ".zst": lambda: zstandard.ZstdDecompressor().decompressobj(),
}
"""By the last ending of a file's name: what unpacks it. All but gzip's are fed piece by piece: their own readers pass
over what is cut off or comes behind."""
_FED = 1 << 10
"""Bytes at a time, so that no piece unpacks to more than memory holds."""
_PIECE = 1 << 20
_LONGEST_LINE = 1 << 28
"""Characters: a line is held as a whole."""
_NO_FILES = {"idna", "punycode", "undefined"}
"""Encodings of Python's that are of no file."""
_NULS = "a NUL byte; is it UTF-16 or no text? Save it as UTF-8"
_MARKS = (  # a UTF-32 mark begins like a UTF-16 one
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FOREIGN = {
    rb"PK\x03\x04": "an Excel workbook or another zip archive; let its name end in .xlsx, or unpack it",
    rb"\xd0\xcf\x11\xe0": "an old Excel or Word file; save the sheet as CSV UTF-8",
    rb"version https://git-lfs": "a Git LFS pointer, not the data; fetch that with `git lfs pull`",
    rb"(?i)(\xef\xbb\xbf)?\s*(<!doctype html|<(html|head|body|table)[\s>]|<\?xml)": "a web page or XML, perhaps a "
    "login; fetch the data",
    rb"%PDF-": "a PDF; save its texts as CSV",
    rb"\{\\rtf": "an RTF document; save it as plain text",
    rb"PAR1": "a parquet file; let its name end in .parquet",
    rb"SQLite format 3\0": "a database; export the table as CSV",
    rb"\x1f\x8b\x08": "packed by gzip; let its name end in .gz",
    rb"BZh[1-9]1AY&SY": "packed by bzip2; let its name end in .bz2",
    rb"\xfd7zXZ\0": "packed by xz; let its name end in .xz",
    rb"\x28\xb5\x2f\xfd": "packed by zstd; let its name end in .zst",
}
"""What a file begins with that is no text, whatever its name, and the way out."""


def lines(path: Path, place: str, *, encoding: str = "utf-8", max_bytes: int, advice: str = "") -> Iterator[str]:
    """The lines of a text file with their ends, a byte order mark removed; one of UTF-16 or UTF-32 is heeded.

    ``advice``: another way out of a wrong code. Raises InputError with the line (and byte, counted in the unpacked
    file) of what cannot be decoded, for a NUL byte, for a damaged archive, for what is no text (``refuse_foreign``),
    and once more than ``max_bytes`` have been unpacked.
    """
    with opened(path, place) as handle:
        yield from lines_of(handle, path, place, encoding=encoding, max_bytes=max_bytes, advice=advice)


def lines_of(
    handle: IO[bytes], path: Path, place: str, *, encoding: str = "utf-8", max_bytes: int, advice: str = ""
) -> Iterator[str]:
    """``lines`` of what is open already."""
    pieces = _limited(handle, path, place, max_bytes)
    first = next(pieces, b"")
    refuse_foreign(first, place)
    encoding = _marked(first, encoding)
    decoder = codecs.getincrementaldecoder(encoding)()
    number, taken = 0, 0
    held: list[str] = []
    for piece in chain([first] if first else [], pieces, [b""]):
        taken += len(piece)
        try:
            text = decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            if b"\0" in error.object:
                raise InputError(f"{place}: {_NULS}") from None
            before = len(error.object) - len(piece)  # bytes of a character that the piece before began
            with suppress(UnicodeError):
                held.append(decoder.decode(piece[: max(0, error.start - before)]))
            line = number + 1 + len(re.findall(r"\r\n|\r|\n", "".join(held)))
            raise InputError(
                f"{place}, line {line}, byte {taken + error.start - len(error.object)}: not {encoding.upper()}; save "
                f"the file as UTF-8, as with `iconv -f latin1 -t utf-8 OLD > NEW`{advice}"
            ) from None
        except UnicodeError as error:
            raise InputError(f"{place}: not {encoding.upper()} ({error}); save the file as UTF-8{advice}") from None
        if piece and "\n" not in text and "\r" not in text:
            held.append(text)
            if sum(map(len, held)) > _LONGEST_LINE:
                raise InputError(
                    f"{place}, line {number + 1}: longer than {_LONGEST_LINE:,} characters; is it text, a row a line?"
                )
            continue
        whole = io.StringIO("".join([*held, text]), newline="").readlines()
        held = [whole.pop()] if piece else []  # it may go on, or end in the first half of \r\n
        for each in whole:
            number += 1
            if "\0" in each:
                raise InputError(f"{place}, line {number}: {_NULS}")
            yield each.removeprefix("\ufeff") if number == 1 else each


def is_encoding(name: str) -> bool:
    """Whether Python knows a way by this name to read text piece by piece."""
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        return False
    return codec._is_text_encoding and bool(codec.incrementaldecoder) and codec.name not in _NO_FILES


def _marked(first: bytes, encoding: str) -> str:
    """The encoding that a byte order mark tells; the one asked for where there is none, or another than UTF-8."""
    plain = codecs.lookup(encoding).name == "utf-8"
    return next((name for mark, name in _MARKS if plain and first.startswith(mark)), encoding)


def refuse_foreign(first: bytes, place: str) -> None:
    """Raise InputError for a file whose first bytes are no text's, with what it really is."""
    for mark, what in _FOREIGN.items():
        if re.match(mark, first):
            raise InputError(f"{place}: this is {what}")


def unpacked(path: Path, place: str, *, max_bytes: int) -> bytes:
    """The whole file, decompressed. Raises InputError as ``lines`` does."""
    with opened(path, place) as handle:
        return b"".join(_limited(handle, path, place, max_bytes))


def opened(path: Path, place: str) -> IO[bytes]:
    """The file, to be read. Raises InputError where it cannot be."""
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{place}: cannot be read ({error.strerror}); check the path and its permissions") from None


def _pieces(handle: IO[bytes], suffix: str) -> Iterator[bytes]:
    """What is in a file, unpacked. Raises EOFError where it ends too soon, and what the unpackers raise."""
    if suffix not in OPENERS or suffix == ".gz":
        plain = gzip.GzipFile(fileobj=handle) if suffix == ".gz" else handle
        yield from iter(lambda: plain.read(_PIECE), b"")
        return
    box = OPENERS[suffix]()
    while given := handle.read(_FED):
        while given:
            box = OPENERS[suffix]() if box.eof else box
            yield box.decompress(given)
            given = box.unused_data if box.eof else b""
    if not box.eof:
        raise EOFError("it ends in the middle")


def _limited(handle: IO[bytes], path: Path, place: str, max_bytes: int) -> Iterator[bytes]:
    taken = 0
    try:
        for piece in _pieces(handle, path.suffix.lower()):
            taken += len(piece)
            if taken > max_bytes:
                raise InputError(
                    f"{place}: unpacks to more than {max_bytes:,} bytes; split it, or raise max_file_bytes"
                )
            if piece:
                yield piece
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise InputError(f"{place}: damaged or not really {path.suffix} ({error}); fetch it again") from None


def kind(path: Path) -> str:
    """The format by the file's name, less a compression suffix: ``reviews.csv.gz`` is ``csv``."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in OPENERS:
        suffixes.pop()
    ending = suffixes[-1].removeprefix(".") if suffixes else ""
    return "jsonl" if ending == "ndjson" else ending
