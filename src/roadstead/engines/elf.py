"""One question about a binary: does it need a dynamic loader?"""

from __future__ import annotations

import struct
from pathlib import Path

_PT_INTERP = 3


def is_static(path: Path) -> bool:
    """True for a 64-bit little-endian ELF file without an interpreter segment (elf(5))."""
    with path.open("rb") as file:
        header = file.read(64)
        if len(header) < 64 or header[:6] != b"\x7fELF\x02\x01":
            return False
        (offset,) = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        if size == 0 or count == 0:
            return False
        file.seek(offset)
        table = file.read(size * count)
    return all(struct.unpack_from("<I", table, n * size)[0] != _PT_INTERP for n in range(len(table) // size))
