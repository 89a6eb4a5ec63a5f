from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from roadstead.agent.ecs.logs.batch import MAX_BYTES, MAX_EVENTS, MAX_SPAN_MS, LogEvent, batches
from roadstead.agent.ecs.logs.bound import pause
from roadstead.agent.ecs.logs.lines import MAX_LINE, LineSplitter

EVENTS = st.builds(
    LogEvent,
    st.integers(0, 3 * MAX_SPAN_MS),
    st.one_of(st.text(min_size=1, max_size=20), st.integers(1, 4).map(lambda n: "x" * (n * 60_000))),
)


@given(st.lists(EVENTS, max_size=60))
def test_batches_keep_every_event_and_every_limit(events: list[LogEvent]) -> None:
    found = list(batches(events))
    assert sorted((e.timestamp, e.message) for batch in found for e in batch) == sorted(
        (e.timestamp, e.message) for e in events
    )
    for batch in found:
        assert 0 < len(batch) <= MAX_EVENTS
        assert sum(event.size for event in batch) <= MAX_BYTES
        times = [event.timestamp for event in batch]
        assert times == sorted(times)
        assert times[-1] - times[0] < MAX_SPAN_MS


def test_a_batch_ends_at_ten_thousand_events() -> None:
    assert [len(batch) for batch in batches([LogEvent(1, "x")] * 20_001)] == [10_000, 10_000, 1]


def test_events_of_one_time_keep_their_order() -> None:
    (batch,) = batches([LogEvent(5, "a"), LogEvent(5, "b"), LogEvent(4, "c")])
    assert [event.message for event in batch] == ["c", "a", "b"]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
def test_lines_do_not_depend_on_how_the_bytes_arrive(data: bytes, cuts: list[int]) -> None:
    whole = LineSplitter()
    expected = [*whole.feed(data), *whole.finish()]
    parts = LineSplitter()
    found = []
    at = 0
    for cut in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        found += parts.feed(data[at:cut])
        at = cut
    found += parts.finish()
    assert found == expected
    assert parts.offset == len(data)


def test_offsets_lie_behind_the_newlines() -> None:
    splitter = LineSplitter(100)
    assert [(line.text, line.end) for line in splitter.feed(b"one\r\n\ntwo\nthr")] == [("one", 105), ("two", 110)]
    assert (splitter.offset, splitter.pending) == (110, 3)
    assert [(line.text, line.end) for line in splitter.finish()] == [("thr", 113)]


def test_long_lines_come_in_pieces_that_split_no_character() -> None:
    splitter = LineSplitter()
    content = "é" * MAX_LINE
    lines = [*splitter.feed(content.encode()), *splitter.feed(b"\n")]
    assert "".join(line.text for line in lines) == content
    assert all(len(line.text.encode()) <= MAX_LINE for line in lines)
    assert splitter.offset == 2 * MAX_LINE + 1


def test_bytes_that_are_no_text_are_replaced_and_still_fit() -> None:
    splitter = LineSplitter()
    lines = splitter.feed(b"\xff" * MAX_LINE + b"\n")
    assert all(len(line.text.encode()) <= MAX_LINE for line in lines)
    assert sum(len(line.text) for line in lines) == MAX_LINE


def test_the_guard_looks_often_only_near_the_bound() -> None:
    assert pause(0.1) > pause(0.6)
