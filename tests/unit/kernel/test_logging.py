from __future__ import annotations

import os
from pathlib import Path

from roadstead.kernel.logging import LineWriter


def test_a_line_that_cant_be_written_is_given_up_and_told_of_later(tmp_path: Path):
    log = tmp_path / "log"
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT)
    full = os.open("/dev/full", os.O_WRONLY)
    kept = os.dup(descriptor)
    writer = LineWriter(descriptor)
    writer.info(b"first")
    os.dup2(full, descriptor)
    writer.info(b"second")
    writer.error(b"third")
    os.dup2(kept, descriptor)
    writer.info(b"fourth")
    assert log.read_text() == 'first\n{"event":"log lines were lost","lines":2}\nfourth\n'
    for each in (descriptor, full, kept):
        os.close(each)
