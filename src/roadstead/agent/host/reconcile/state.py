"""The desired state of the host, folded from the frames of the watch stream. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from roadstead.agent.host.reconcile.model import Goal, Reference
from roadstead.wire.hosts import BookmarkFrame, ChangeFrame, Frame, HostResource, ListFrame, RemovedFrame


class Phase(Enum):
    """Where a resource stands between the server and this host."""

    WANTED = "wanted"
    DELETING = "deleting"
    """The server asked for its deletion and waits for the host's word."""
    FORGOTTEN = "forgotten"
    """The server's row is gone before the host finished: it goes, and nobody waits for the word."""
    FINALIZED = "finalized"
    """Nothing of it is left here; the row goes next."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A resource, its phase and what it stands on."""

    resource: HostResource
    phase: Phase
    references: tuple[Reference, ...]

    @property
    def goal(self) -> Goal:
        """What shall become of it here."""
        return Goal.PRESENT if self.phase is Phase.WANTED else Goal.ABSENT


class DesiredState:
    """What this host shall have, by name, and who stands on whom."""

    def __init__(self, references: Callable[[HostResource], tuple[Reference, ...]]) -> None:
        self._references = references
        self._entries: dict[Reference, Entry] = {}
        self._dependants: dict[Reference, set[Reference]] = {}
        self.revision: int | None = None
        """The newest revision that was applied; None before the first List."""

    @property
    def entries(self) -> Mapping[Reference, Entry]:
        """All that is known, finalized resources included until their rows are gone."""
        return self._entries

    def apply(self, frame: Frame) -> frozenset[Reference]:
        """Fold one frame in; gives the resources that it touched.

        A change older than what is known is passed over; a list counts whatever was known, for a restored server begins at an older revision.
        """
        touched: set[Reference] = set()
        match frame:
            case ListFrame():
                listed = {Reference.of(resource) for resource in frame.resources}
                for name in [name for name in self._entries if name not in listed]:
                    touched |= self._gone(name)
                for resource in frame.resources:
                    touched |= self._put(resource)
                self.revision = frame.revision
                return frozenset(touched)
            case ChangeFrame():
                if not self._is_older(frame.resource):
                    touched |= self._put(frame.resource)
            case RemovedFrame():
                touched |= self._gone(Reference(frame.kind, frame.id))
            case BookmarkFrame():
                pass
        self.revision = max(frame.revision, self.revision or 0)
        return frozenset(touched)

    def finalize(self, name: Reference, resource: HostResource) -> Phase | None:
        """Note that nothing of `resource` is left; gives the phase it was in, None when the server has changed its mind since."""
        entry = self._entries.get(name)
        if entry is None or entry.goal is Goal.PRESENT or entry.resource.revision != resource.revision:
            return None
        if entry.phase is Phase.FORGOTTEN:
            self._drop(name)
        else:
            self._entries[name] = replace(entry, phase=Phase.FINALIZED)
        return entry.phase

    def missing(self, entry: Entry, ready: Iterable[Reference]) -> tuple[Reference, ...]:
        """What `entry` stands on and is not ready or is going away."""
        known = set(ready)
        return tuple(
            name
            for name in entry.references
            if name not in known or name not in self._entries or self._entries[name].phase is not Phase.WANTED
        )

    def dependants(self, name: Reference) -> frozenset[Reference]:
        """All that stands on `name` and has something left on this host."""
        return frozenset(
            other for other in self._dependants.get(name, ()) if self._entries[other].phase is not Phase.FINALIZED
        )

    def _is_older(self, resource: HostResource) -> bool:
        known = self._entries.get(Reference.of(resource))
        return known is not None and resource.revision < known.resource.revision

    def _put(self, resource: HostResource) -> set[Reference]:
        name = Reference.of(resource)
        self._drop(name)
        entry = Entry(
            resource=resource,
            phase=Phase.DELETING if resource.deletion_requested else Phase.WANTED,
            references=self._references(resource),
        )
        self._entries[name] = entry
        for reference in entry.references:
            self._dependants.setdefault(reference, set()).add(name)
        return {name}

    def _gone(self, name: Reference) -> set[Reference]:
        entry = self._entries.get(name)
        if entry is None:
            return set()
        if entry.phase is Phase.FINALIZED:
            self._drop(name)
            return set()
        self._entries[name] = replace(entry, phase=Phase.FORGOTTEN)
        return {name}

    def _drop(self, name: Reference) -> None:
        entry = self._entries.pop(name, None)
        if entry is None:
            return
        for reference in entry.references:
            others = self._dependants[reference]
            others.discard(name)
            if not others:
                del self._dependants[reference]
