from __future__ import annotations

from datetime import UTC, datetime

import pytest

from roadstead.kernel.errors import AccessDeniedException, InternalFailure, NotImplementedByRoadstead
from roadstead.services.ecr.errors import LimitExceededException, RepositoryNotFoundException
from roadstead.services.ecr.holding import Pauses, reason_to_hold
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.upstream import UpstreamNotFound, UpstreamSecretLost, UpstreamUnavailable
from roadstead.store import StoreBusy, StoreUnavailable, TransactionConflict
from roadstead.store.blobs import StorageFull, StorageUnavailable


@pytest.mark.parametrize(
    "error",
    [
        UpstreamUnavailable("away"),
        UpstreamNotFound("none"),
        UpstreamSecretLost("lost"),
        AccessDeniedException("no"),
        LimitExceededException("full"),
        RepositoryNotFoundException.of(RepositoryKey("000000000000", "us-east-1", "cache")),
        StorageFull("no space left on device"),
    ],
)
def test_what_the_upstream_and_the_asker_and_this_repository_refuse(error: Exception) -> None:
    assert reason_to_hold(error)


@pytest.mark.parametrize(
    "error",
    [
        StoreBusy("busy"),
        StoreUnavailable("away"),
        TransactionConflict("again"),
        StorageUnavailable("away"),
        InternalFailure("fault"),
        NotImplementedByRoadstead("not built"),
        RuntimeError("a bug"),
        KeyError("a bug"),
        OSError("a bug"),
    ],
)
def test_faults_of_ours(error: Exception) -> None:
    assert reason_to_hold(error) is None


class Clock:
    seconds = 100.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


def test_pauses_end_by_themselves() -> None:
    clock = Clock()
    pauses = Pauses[str](clock, 60.0)
    assert not pauses.holds("a")
    assert pauses.begin("a")
    assert pauses.holds("a")
    clock.seconds += 59
    assert not pauses.begin("a"), "it began before"
    assert not pauses.holds("b")
    clock.seconds += 1
    assert not pauses.holds("a")
    assert pauses.begin("a")
