"""What a server's trail tells."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from tests.support.server import Account, ServerThread

from roadstead.audit.reading import Wanted, event_of_request, last_events
from roadstead.audit.settings import FOLDER


def event_of(server: ServerThread, request_id: str) -> Any:
    """The event of a request, once it is written."""
    deadline = time.monotonic() + 10
    while (line := event_of_request(server.settings.data_dir / FOLDER, request_id)) is None:
        assert time.monotonic() < deadline, f"no event of {request_id}"
        time.sleep(0.02)
    return json.loads(line)


def answered(server: ServerThread, response: Any) -> Any:
    """The event of a call by its answer."""
    return event_of(server, response["ResponseMetadata"]["RequestId"])


def events_of(account: Account, until: str) -> list[Any]:
    """Every event of an account, once that of the request `until` is written."""
    event_of(account.server, until)
    lines, _ = last_events(account.server.settings.data_dir / FOLDER, Wanted(account=account.id), 10_000)
    return [json.loads(line) for line in lines]


def event_that(server: ServerThread, fits: Callable[[Any], bool]) -> Any:
    """The last event that fits, once there is one: for requests that were never answered, so that nobody knows their ids."""
    deadline = time.monotonic() + 10
    while True:
        lines, _ = last_events(server.settings.data_dir / FOLDER, Wanted(), 10_000)
        found = [event for event in map(json.loads, lines) if fits(event)]
        if found:
            return found[-1]
        assert time.monotonic() < deadline, "no such event"
        time.sleep(0.02)
