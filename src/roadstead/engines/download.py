"""One download over HTTP, resumed where an earlier attempt broke off. Blocking: it runs in a worker thread.

urllib it is, because it honours the machine's proxy settings and certificates and this needs nothing else.
"""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import Protocol

_CHUNK = 1 << 18
_SILENCE_SECONDS = 15.0
_ATTEMPTS = 3


class DownloadFailed(Exception):
    """The download could not be completed; what was received stays for the next attempt."""


class _Stopped(Exception):
    """We were told to stop."""


class _Response(Protocol):
    status: int
    headers: Message

    def read(self, amount: int) -> bytes: ...


class _Broken(Exception):
    """The connection broke off: worth another attempt."""


def download(url: str, target: Path, stop: threading.Event, report: Callable[[int, int | None], None]) -> None:
    """Fetch `url` into `target`, following redirects, continuing after what `target` already holds.

    A connection that breaks off is tried again. Returns early, leaving the rest undone, once `stop` is set. Raises
    DownloadFailed.
    """
    reason = ""
    for _ in range(_ATTEMPTS):
        try:
            _attempt(url, target, stop, report)
        except _Stopped:
            return
        except _Broken as broken:
            reason = str(broken)
        else:
            return
    raise DownloadFailed(f"{url}: {reason}")


def _attempt(url: str, target: Path, stop: threading.Event, report: Callable[[int, int | None], None]) -> None:
    have = target.stat().st_size if target.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - from a recipe
    try:
        with urllib.request.urlopen(request, timeout=_SILENCE_SECONDS) as response:  # noqa: S310
            _receive(response, target, have, stop, report)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing left to send, or the file is another one: the checksum will tell
            if _size_behind(error) == have:
                return
            target.unlink()
            raise _Broken("the earlier part does not fit") from error
        if error.code >= 500 or error.code == 429:
            raise _Broken(f"status {error.code}") from error
        raise DownloadFailed(f"{url}: status {error.code}") from error
    except urllib.error.URLError as error:
        raise DownloadFailed(f"{url}: {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise _Broken(str(error) or type(error).__name__) from error


def _size_behind(error: urllib.error.HTTPError) -> int | None:
    """The size that a 416 names in `Content-Range: bytes */SIZE` (RFC 9110, section 14.4)."""
    size = error.headers.get("Content-Range", "").rpartition("/")[2]
    return int(size) if size.isdigit() else None


def _receive(
    response: _Response, target: Path, have: int, stop: threading.Event, report: Callable[[int, int | None], None]
) -> None:
    if response.status != 206:
        have = 0
    length = response.headers.get("Content-Length")
    total = have + int(length) if length is not None else None
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("ab" if have else "wb") as file:
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            have += len(chunk)
            report(have, total)
            if stop.is_set():
                raise _Stopped
    if total is not None and have != total:
        raise _Broken(f"broke off after {have} of {total} bytes")
