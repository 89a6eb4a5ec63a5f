"""What of the awslogs driver's options is carried out."""

from __future__ import annotations

import pytest

from roadstead.core.taskdef.awslogs import InvalidBufferSize, buffer_size, unbuilt_options


def test_what_is_not_carried_out_is_named() -> None:
    assert unbuilt_options({"awslogs-group": "g", "mode": "non-blocking", "max-buffer-size": "1m"}) == []
    given = {"mode": "blocking", "awslogs-multiline-pattern": "x", "awslogs-datetime-format": "%Y"}
    assert unbuilt_options(given) == ["awslogs-datetime-format", "awslogs-multiline-pattern", "mode=blocking"]


@pytest.mark.parametrize(
    ("text", "size"),
    [("25m", 25 << 20), ("25MB", 25 << 20), ("1.5 KiB", 1536), ("2g", 2 << 30), ("65536", 65536), ("7b", 7)],
)
def test_a_buffer_size_is_written_as_for_docker(text: str, size: int) -> None:
    assert buffer_size({"max-buffer-size": text}) == size
    assert buffer_size({}) is None


@pytest.mark.parametrize("text", ["", "m", "-1m", "1x", "1mm", "0", "0.1b", "1e3", "٣m", "9" * 400])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(InvalidBufferSize, match="invalid size: "):
        buffer_size({"max-buffer-size": text})
