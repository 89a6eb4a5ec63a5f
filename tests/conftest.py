"""What all tests need of the process that they run in, and what they leave: the host as it was."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import pytest
from tests.support.host_state import HostState, mark_processes
from tests.support.s3 import s3_server
from tests.support.store import postgres_server
from tests.support.waiting import until

# Here alone: a fixture that another conftest.py imports too is another one, with a server of its own.
__all__ = ["postgres_server", "s3_server"]


def pytest_configure() -> None:
    """A shell starts what it puts into the background without Ctrl-C, nohup without hanging up, and programs hand that on; tests send both."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def the_host_as_it_was() -> Iterator[None]:
    """No process that the tests started runs after the last of them, and the host's network and settings are what they were."""
    mark, before = mark_processes(), HostState.now()
    yield
    with contextlib.suppress(AssertionError):
        until(lambda: not before.differences(mark), "the host as it was", 20)
    assert before.differences(mark) == []
