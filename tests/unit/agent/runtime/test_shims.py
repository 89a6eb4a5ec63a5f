from __future__ import annotations

from pathlib import Path

from roadstead.agent.runtime.shims import kill_kernel, kill_lost, running_shims, sandbox_of, shim_of

COMMAND = ["/opt/containerd-shim-runc-v2", "-namespace", "roadstead", "-id", "c1", "-address", "/run/x.sock", ""]


def test_a_shim_is_known_by_its_command_line() -> None:
    assert shim_of(COMMAND, "/run/x.sock") == "c1"
    assert shim_of(COMMAND, "/run/other.sock") is None
    assert shim_of(COMMAND, "/run/x.sock", "roadstead") == "c1"
    assert shim_of(COMMAND, "/run/x.sock", "another") is None
    assert shim_of(["/bin/sh", "-id", "c1", "-address", "/run/x.sock"], "/run/x.sock") is None
    assert shim_of([], "/run/x.sock") is None


def test_only_lost_shims_are_killed(tmp_path: Path) -> None:
    assert running_shims(tmp_path / "no.sock") == {}
    assert kill_lost({}, set()) == []
    assert kill_lost({2**22 + 1: "gone", 1: "known"}, {"known"}) == ["gone"]


def test_a_kernel_of_gvisor_is_known_by_its_command_line(tmp_path: Path) -> None:
    command = [
        "runsc-sandbox",
        "--network=sandbox",
        "--root=/run/x/runsc/roadstead",
        "boot",
        "--spec-fd=9",
        "t1-sandbox",
        "",
    ]
    assert sandbox_of(command, "/run/x/runsc/roadstead") == "t1-sandbox"
    assert sandbox_of(command, "/run/y/runsc/roadstead") is None
    assert sandbox_of(["runsc-gofer", *command[1:]], "/run/x/runsc/roadstead") is None
    assert sandbox_of([], "/run/x/runsc/roadstead") is None
    assert not kill_kernel("t1-sandbox", tmp_path)
