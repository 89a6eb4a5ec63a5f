"""Structured logs: one JSON object a line on standard output.

A line that can't be written, because the disk is full, is given up: no work fails for want of its log.
Tracebacks come without the values of local variables, and database errors without their parameters: those hold keys and tokens.
"""

from __future__ import annotations

import logging
import os
import threading
import time

import msgspec
import structlog
from structlog.tracebacks import ExceptionDictTransformer

_encoder = msgspec.json.Encoder(enc_hook=str)


class _Line:
    """An event as a line: with its `level` and `timestamp`, UTC in ISO 8601 with microseconds, of which the second is made once a second.

    One processor instead of four: a line is part of every request.
    """

    def __init__(self) -> None:
        self._second = 0
        self._text = ""
        self._exceptions = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))

    def __call__(self, logger: structlog.typing.WrappedLogger, method: str, event: structlog.typing.EventDict) -> bytes:
        structlog.processors.add_log_level(logger, method, event)
        second, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second, self._text = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        event["timestamp"] = f"{self._text}.{nanoseconds // 1000:06d}Z"
        return _encoder.encode(self._exceptions(logger, method, event) if "exc_info" in event else event)


class LineWriter:
    """Writes whole lines to a descriptor, never raises, and tells how many were lost once it can write again.

    Named after structlog's levels, all of which do the same; safe for several threads.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._lost = 0
        self._torn = False

    def msg(self, line: bytes) -> None:
        """Write one line."""
        with self._lock:
            if self._lost and self._write(_encoder.encode({"event": "log lines were lost", "lines": self._lost})):
                self._lost = 0
            if not self._write(line):
                self._lost += 1

    log = debug = info = warn = warning = error = critical = fatal = failure = err = exception = msg

    def _write(self, line: bytes) -> bool:
        whole = (b"\n" if self._torn else b"") + line + b"\n"
        try:
            written = os.write(self._descriptor, whole)
        except OSError:
            return False
        self._torn = written < len(whole)
        return not self._torn


class _Handler(logging.Handler):
    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        self._writer.msg(self.format(record).encode())


class _JsonFormatter(logging.Formatter):
    """What libraries log, in the same form."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object."""
        event = {"logger": record.name, "event": record.getMessage(), "level": record.levelname.lower()}
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return _encoder.encode(event).decode()


def configure_logging(level: int = logging.INFO, descriptor: int = 1) -> None:
    """Send every log line of this process to a file, standard output where none is named, as JSON."""
    writer = LineWriter(descriptor)
    structlog.configure(
        processors=[_Line()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=True,
    )
    handler = _Handler(writer)
    handler.setFormatter(_JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
