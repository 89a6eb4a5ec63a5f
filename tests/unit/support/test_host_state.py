"""The check that tests leave the host as it was sees what they could leave."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tests.support import host_state
from tests.support.host_state import HostState, mark_processes, marked

from roadstead.agent.host.network.names import LinkRole, link_name, table_name


def test_processes_that_were_started_since_are_seen_until_they_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ROADSTEAD_TEST_RUN", os.environ["ROADSTEAD_TEST_RUN"])
    mark = mark_processes()
    assert marked(mark) == []
    waits = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(waits, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"\n", "until the kernel is done with its exec, it has no environment"
        assert [line.partition(":")[0] for line in marked(mark)] == [f"process {child.pid}"]
        child.communicate(b"\n")
    assert marked(mark) == []


@pytest.mark.parametrize(
    "line", [f"7: {link_name(next(iter(LinkRole)), 'a1b2c3', 'eni-1')}@if6: <UP>", f"table inet {table_name('a1b2c3')}"]
)
def test_what_is_named_as_ours_is_known(line: str):
    assert host_state._OURS.search(line)


@pytest.mark.parametrize("line", ["7: veth12ab34c@if6: <UP>", "8: docker0: <UP>", "default via 192.0.2.1 dev eth0"])
def test_what_is_named_otherwise_is_others(line: str):
    assert not host_state._OURS.search(line)


def test_a_setting_that_was_changed_is_told():
    before = HostState({"/proc/sys/net/ipv4/ip_forward": "neither", "/proc/sys/net/ipv4/gone": "1"}, frozenset())
    (told,) = (line for line in before.differences("NONE=1") if "ip_forward" in line)
    assert told.endswith("and was 'neither'")
