"""After all system tests the host is as it was before them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from tests.support.deployment import until
from tests.support.host_state import differences, traces


@pytest.fixture(scope="session", autouse=True)
def the_host_as_it_was() -> Iterator[None]:
    """Processes, mounts, cgroups, network and settings of this machine, before the first test and after the last."""
    before = traces()
    yield
    with contextlib.suppress(AssertionError):
        until(lambda: not differences(before), "the host as it was", 15)
    assert differences(before) == []
