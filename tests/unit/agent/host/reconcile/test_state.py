from __future__ import annotations

from dataclasses import dataclass

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.support.hosts import resource

from roadstead.agent.host.reconcile.model import Goal, Reference
from roadstead.agent.host.reconcile.state import DesiredState, Phase
from roadstead.wire.hosts import BookmarkFrame, ChangeFrame, Frame, HostResource, ListFrame, RemovedFrame

PARENTS = {"b": ("vpc", "a"), "c": ("vpc", "a"), "d": ("vpc", "b")}


def references(one: HostResource) -> tuple[Reference, ...]:
    parent = PARENTS.get(one.id)
    return (Reference(*parent),) if parent else ()


def made(id: str, revision: int = 1, **changes: object) -> HostResource:
    return resource("vpc", id, {}, revision=revision, **changes)


def name(id: str) -> Reference:
    return Reference("vpc", id)


def test_a_list_replaces_what_was_known() -> None:
    state = DesiredState(references)
    assert state.apply(ListFrame(revision=5, resources=(made("a"), made("b")))) == {name("a"), name("b")}
    assert state.apply(ListFrame(revision=9, resources=(made("b", 7),))) == {name("a"), name("b")}
    assert state.entries[name("a")].phase is Phase.FORGOTTEN
    assert state.entries[name("b")].phase is Phase.WANTED
    assert state.revision == 9


def test_an_older_list_after_a_restored_server_takes_its_revision_back() -> None:
    state = DesiredState(references)
    state.apply(ListFrame(revision=50, resources=()))
    state.apply(ListFrame(revision=3, resources=()))
    assert state.revision == 3


def test_a_restored_server_is_followed() -> None:
    state = DesiredState(references)
    state.apply(ListFrame(revision=50, resources=(made("a", 40), made("b", 50, deletion_requested=True))))
    state.apply(ListFrame(revision=3, resources=(made("a", 2), made("b", 3))))
    assert state.entries[name("b")].phase is Phase.WANTED
    state.apply(ChangeFrame(revision=4, resource=made("a", 4, deletion_requested=True)))
    assert state.entries[name("a")].phase is Phase.DELETING


def test_an_older_change_is_passed_over() -> None:
    state = DesiredState(references)
    state.apply(ChangeFrame(revision=5, resource=made("a", 5, deletion_requested=True)))
    assert state.apply(ChangeFrame(revision=5, resource=made("a", 4))) == frozenset()
    assert state.entries[name("a")].phase is Phase.DELETING


def test_a_finalized_resource_goes_when_its_row_goes() -> None:
    state = DesiredState(references)
    gone = made("b", 2, deletion_requested=True)
    state.apply(ListFrame(revision=2, resources=(made("a"), gone)))
    assert state.dependants(name("a")) == {name("b")}
    assert state.finalize(name("b"), gone) is Phase.DELETING
    assert state.dependants(name("a")) == frozenset()
    assert state.apply(RemovedFrame(revision=3, kind="vpc", id="b")) == frozenset()
    assert name("b") not in state.entries


def test_a_row_that_goes_first_leaves_a_resource_to_be_removed() -> None:
    state = DesiredState(references)
    one = made("a")
    state.apply(ListFrame(revision=2, resources=(one,)))
    assert state.apply(RemovedFrame(revision=3, kind="vpc", id="a")) == {name("a")}
    assert state.entries[name("a")].goal is Goal.ABSENT
    assert state.finalize(name("a"), one) is Phase.FORGOTTEN
    assert not state.entries


def test_finalizing_does_not_count_when_the_server_changed_its_mind() -> None:
    state = DesiredState(references)
    gone = made("a", 2, deletion_requested=True)
    state.apply(ChangeFrame(revision=2, resource=gone))
    state.apply(ChangeFrame(revision=3, resource=made("a", 3)))
    assert state.finalize(name("a"), gone) is None
    assert state.entries[name("a")].phase is Phase.WANTED


def test_what_is_going_away_is_missing_even_when_it_was_ready() -> None:
    state = DesiredState(references)
    state.apply(ListFrame(revision=1, resources=(made("a"), made("b"))))
    entry = state.entries[name("b")]
    assert state.missing(entry, {name("a")}) == ()
    assert state.missing(entry, set()) == (name("a"),)
    state.apply(ChangeFrame(revision=2, resource=made("a", 2, deletion_requested=True)))
    assert state.missing(entry, {name("a")}) == (name("a"),)


ids = st.sampled_from("abcd")


@dataclass(frozen=True)
class Event:
    """Something that happens: `found` are ids and whether their deletion is asked for."""

    kind: str
    found: dict[str, bool]


events = st.builds(Event, st.just("list"), st.dictionaries(ids, st.booleans())) | st.builds(
    lambda kind, id, gone: Event(kind, {id: gone}),
    st.sampled_from(["change", "removed", "bookmark", "finalize"]),
    ids,
    st.booleans(),
)


def as_frame(event: Event, revision: int) -> Frame:
    resources = tuple(made(id, revision, deletion_requested=gone) for id, gone in event.found.items())
    match event.kind:
        case "list":
            return ListFrame(revision=revision, resources=resources)
        case "change":
            return ChangeFrame(revision=revision, resource=resources[0])
        case "removed":
            return RemovedFrame(revision=revision, kind="vpc", id=resources[0].id)
        case _:
            return BookmarkFrame(revision=revision)


@given(st.lists(events, max_size=30))
def test_whatever_comes_the_index_and_the_entries_agree(history: list[Event]) -> None:
    state = DesiredState(references)
    for revision, event in enumerate(history, 1):
        if event.kind == "finalize":
            for id in event.found:
                entry = state.entries.get(name(id))
                if entry is not None:
                    state.finalize(name(id), entry.resource)
            continue
        frame = as_frame(event, revision)
        touched = state.apply(frame)
        assert state.revision == revision
        assert all(one in state.entries for one in touched)
        if isinstance(frame, ListFrame):
            wanted = {Reference.of(one) for one in frame.resources if not one.deletion_requested}
            assert {one for one, entry in state.entries.items() if entry.goal is Goal.PRESENT} == wanted
        for parent in state.entries:
            standing = {
                other
                for other, entry in state.entries.items()
                if parent in entry.references and entry.phase is not Phase.FINALIZED
            }
            assert state.dependants(parent) == standing


def test_frames_survive_the_wire() -> None:
    frame = ListFrame(revision=1, resources=(made("a"),))
    assert msgspec.json.decode(msgspec.json.encode(frame), type=Frame) == frame
