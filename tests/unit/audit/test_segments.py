"""Files of a trail: whole lines, bounded, and mended after whatever happened to them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from roadstead.audit.segments import SegmentFiles, last_line, segments


def files(folder: Path, segment: int = 1000, kept: int = 10_000) -> SegmentFiles:
    return SegmentFiles(folder, segment_bytes=segment, kept_bytes=kept)


def content(folder: Path) -> bytes:
    return b"".join(each.path.read_bytes() for each in segments(folder))


def test_only_the_owner_reads_them(tmp_path: Path) -> None:
    trail = files(tmp_path / "audit")
    trail.append(b"{}\n")
    trail.sync()
    trail.close()
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o700
    assert [stat.S_IMODE(each.path.stat().st_mode) for each in segments(tmp_path / "audit")] == [0o600]


def test_a_full_file_is_followed_by_the_next_and_the_oldest_go(tmp_path: Path) -> None:
    trail = files(tmp_path, segment=100, kept=350)
    for number in range(100):
        trail.append(b'{"n":%03d}\n' % number)
    numbers = [each.number for each in segments(tmp_path)]
    assert numbers == sorted(numbers)
    assert numbers[0] > 1
    assert len(numbers) == 3, "two whole ones, and the newest may grow to a third"
    assert all(each.path.stat().st_size <= 100 for each in segments(tmp_path))
    assert content(tmp_path).endswith(b'{"n":099}\n')
    assert content(tmp_path).count(b"\n") >= 20


def test_a_batch_larger_than_a_file_is_kept_whole(tmp_path: Path) -> None:
    trail = files(tmp_path, segment=10, kept=10)
    batch = b'{"a":"long"}\n' * 4
    trail.append(batch)
    trail.append(b"{}\n")
    assert segments(tmp_path)[-1].path.read_bytes() == b"{}\n"


def test_the_next_start_goes_on_in_the_same_file(tmp_path: Path) -> None:
    first = files(tmp_path)
    first.append(b"1\n")
    first.close()
    second = files(tmp_path)
    second.append(b"2\n")
    assert [each.number for each in segments(tmp_path)] == [1]
    assert content(tmp_path) == b"1\n2\n"


@pytest.mark.parametrize("torn", [b'{"half', b"x" * 200_000])
@pytest.mark.parametrize("before", [b"", b"1\n"])
def test_half_a_line_is_cut_off(tmp_path: Path, before: bytes, torn: bytes) -> None:
    (tmp_path / "events.000007.jsonl").write_bytes(before + torn)
    trail = files(tmp_path)
    trail.append(b"2\n")
    assert content(tmp_path) == before + b"2\n"
    assert trail.cut == len(torn)


def test_a_removed_file_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    trail = files(folder)
    trail.append(b"1\n")
    shutil.rmtree(folder)
    trail.append(b"2\n")
    assert content(folder) == b"2\n"


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    folder.mkdir()
    (folder / "events.000001.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        files(folder).append(b"1\n")
    assert not (tmp_path / "elsewhere").exists()


LIMITED = """
import resource, sys
from pathlib import Path
from roadstead.audit.segments import SegmentFiles
trail = SegmentFiles(Path(sys.argv[1]), segment_bytes=10**6, kept_bytes=10**6)
trail.append(b"whole\\n" * 10)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
for _ in range(2):
    try:
        trail.append(b"does not fit\\n" * 10)
    except OSError:
        print("refused", Path(sys.argv[1], "events.000001.jsonl").stat().st_size)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
trail.append(b"fits now\\n")
trail.sync()
"""


def test_a_batch_that_does_not_fit_leaves_nothing_of_itself(tmp_path: Path) -> None:
    """The kernel writes what fits and fails the rest: whole lines of it too, which the next attempt would write twice."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], check=True, capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.stdout.splitlines() == ["refused 100", "refused 100"]
    assert content(tmp_path) == b"whole\n" * 10 + b"fits now\n"


@pytest.mark.parametrize("size", [1, 63 * 1024, 64 * 1024, 65 * 1024, 200 * 1024])
def test_the_last_line(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"first\n" + b"y" * size + b"\n" + b"torn")
    assert last_line(path) == b"y" * size
    path.write_bytes(b"y" * size + b"\n")
    assert last_line(path) == b"y" * size
    path.write_bytes(b"torn")
    assert last_line(path) == b""
