"""What reaches standard output, in a process of its own, because logging is configured once a process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def lines_of(program: str) -> list[dict[str, Any]]:
    start = "import logging, structlog\nfrom roadstead.kernel.logging import configure_logging\nconfigure_logging()\n"
    done = subprocess.run([sys.executable, "-c", start + program], check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_line_is_a_json_object():
    line = lines_of('structlog.get_logger("x").info("said", account="1", odd=object)')[0]
    assert (line["event"], line["level"], line["account"], line["odd"]) == ("said", "info", "1", "<class 'object'>")
    assert line["timestamp"].endswith("Z")


def test_a_traceback_has_no_values():
    program = """
def work(secret):
    raise RuntimeError("broken")
try:
    work("wJalrXUtnFEMI")
except RuntimeError:
    structlog.get_logger("x").exception("failed")
"""
    line = lines_of(program)[0]
    assert line["exception"][0]["exc_value"] == "broken"
    assert [frame["name"] for frame in line["exception"][0]["frames"]] == ["<module>", "work"]
    assert "wJalrXUtnFEMI" not in json.dumps(line)


def test_what_libraries_log_is_json_too():
    program = r"""
logging.getLogger("lib").info("not said")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("lib").exception('a "quoted"\nmessage')
"""
    lines = lines_of(program)
    assert [line["event"] for line in lines] == ['a "quoted"\nmessage']
    assert "ZeroDivisionError" in lines[0]["exception"]
