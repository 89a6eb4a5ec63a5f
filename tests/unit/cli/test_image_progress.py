"""What `roadstead image` shows while images move; drawing on a real terminal is in tests/service/images."""

from __future__ import annotations

import io

from rich.console import Console
from tests.support.terminal import plain

from roadstead.cli.image_progress import showing
from roadstead.images.progress import Event, Stage

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
SHORT = "sha256:0123456789ab"


def shown(events: list[Event], *, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None)
    with showing(console) as progress:
        for event in events:
            progress(event)
    assert isinstance(console.file, io.StringIO)
    return plain(console.file.getvalue())


def test_elsewhere_a_stage_is_a_line() -> None:
    events = [
        Event(DIGEST, Stage.COPYING, 0, 300),
        Event(DIGEST, Stage.COPYING, 200, 300),
        Event(DIGEST, Stage.DONE, 300, 300),
        Event(f"sha256:{'f' * 64}", Stage.PRESENT, 7, 7),
        Event("v[1]", Stage.TAGGED, detail=f"registry/web:v[1] {DIGEST}"),
    ]
    assert shown(events, terminal=False).splitlines() == [
        f"{SHORT}: copying (300 bytes)",
        f"{SHORT}: done (300 bytes)",
        "sha256:ffffffffffff: already there (7 bytes)",
        f"v[1] → registry/web:v[1] {DIGEST}",
    ]


def test_what_goes_on_says_where() -> None:
    (line,) = shown([Event(DIGEST, Stage.COPYING, 200, 300)], terminal=False).splitlines()
    assert line == f"{SHORT}: copying (300 bytes, goes on at 200)"


def test_on_a_terminal_a_blob_has_one_bar_that_moves() -> None:
    events = [
        Event(DIGEST, Stage.COPYING, 0, 2_000_000),
        Event(DIGEST, Stage.COPYING, 1_000_000, 2_000_000),
        Event(f"sha256:{'f' * 64}", Stage.PRESENT, 7, 7),
        Event(DIGEST, Stage.DONE, 2_000_000, 2_000_000),
        Event("v[1]", Stage.TAGGED, detail=f"registry/{'long' * 20}:v[1] {DIGEST}"),
    ]
    drawn = shown(events, terminal=True)
    assert f"v[1] → registry/{'long' * 20}:v[1] {DIGEST}\n" in drawn, "names are neither markup nor broken up"
    last = [line.split() for line in drawn.splitlines() if line.startswith("sha256:")][-2:]
    assert [(line[0], line[1][0], line[2], line[-1]) for line in last] == [
        (SHORT, "━", "2.0/2.0", "done"),
        ("sha256:ffffffffffff", "━", "7/7", "there"),
    ]
