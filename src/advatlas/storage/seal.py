"""A checksum of a Parquet file's footer, beside those of its pages: together they cover what is read.

Parquet can hold a checksum of each page, and pyarrow checks those; nothing checks the footer, where types, places and
metadata stand. Its checksum is one of the metadata, put into its place after the file is closed, so that the file stays
plain Parquet.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import BinaryIO

_MARK = b"crc32:"
_BLANK = _MARK + b"00000000"
# To be put among the metadata of a file that will be sealed.
SEAL = {b"advatlas_footer": _BLANK}
# A Parquet file ends with the footer's length, in four bytes, and this.
_MAGIC = b"PAR1"


def seal(path: Path) -> None:
    """Put the checksum of its footer into a file that was written with :data:`SEAL`.

    Raises:
        ValueError: the file is not Parquet, or has no place for the checksum.
    """
    with open(path, "r+b") as file:
        start, footer = _footer(file)
        place = _place(footer)
        file.seek(start + place)
        file.write(_MARK + b"%08x" % zlib.crc32(footer))


def check_seal(path: Path) -> None:
    """Check the footer of a file against its checksum.

    Raises:
        ValueError: it was truncated or changed, or never sealed.
    """
    with open(path, "rb") as file:
        _, footer = _footer(file)
    place = _place(footer)
    said = footer[place : place + len(_BLANK)]
    blank = footer[:place] + _BLANK + footer[place + len(_BLANK) :]
    if said != _MARK + b"%08x" % zlib.crc32(blank):
        raise ValueError("the footer differs from its checksum")


def _footer(file: BinaryIO) -> tuple[int, bytes]:
    """Return where the footer begins, and all from there to the end of the file."""
    size = file.seek(0, os.SEEK_END)
    if size < 12:
        raise ValueError(f"only {size} bytes")
    file.seek(size - 8)
    tail = file.read(8)
    start = size - 8 - int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or start < 4:
        raise ValueError("it does not end as a Parquet file does")
    file.seek(start)
    return start, file.read()


def _place(footer: bytes) -> int:
    place = footer.find(_MARK)
    if place < 0:
        raise ValueError("its footer has no checksum")
    return place
