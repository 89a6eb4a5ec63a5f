from __future__ import annotations

import sys
from pathlib import Path

from roadstead.engines.elf import is_static


def test_a_dynamic_program_is_not_static() -> None:
    assert not is_static(Path(sys.executable).resolve())


def test_what_is_no_program_is_not_static(tmp_path: Path) -> None:
    for content in (b"", b"#!/bin/sh\n" * 10, b"\x7fELF\x02\x01" + bytes(100)):
        (tmp_path / "x").write_bytes(content)
        assert not is_static(tmp_path / "x")
