from __future__ import annotations

import resource
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.unit.engines.conftest import Bench, script

from roadstead.engines.checkup import Verdict, examine, kernel, surroundings
from roadstead.engines.checkup.cgroups import examine_cgroups
from roadstead.engines.checkup.privileges import capabilities, open_files
from roadstead.engines.checkup.surroundings import examine_disk, examine_names
from roadstead.engines.host import CAPABILITIES, HostFacts

ALL = frozenset(CAPABILITIES)


@pytest.mark.parametrize(
    ("held", "verdict", "told"),
    [
        (ALL, Verdict.OK, "all"),
        (ALL - {"CAP_SYS_RESOURCE"}, Verdict.OK, "gVisor"),
        (ALL - {"CAP_NET_ADMIN"}, Verdict.PROBLEM, "lacks CAP_NET_ADMIN"),
    ],
)
def test_capabilities(held: frozenset[str], verdict: Verdict, told: str) -> None:
    (finding,) = capabilities(HostFacts("amd64", held))
    assert finding.verdict is verdict
    assert told in finding.detail


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [
        (resource.RLIM_INFINITY, Verdict.OK),
        (1 << 20, Verdict.OK),
        (20000, Verdict.WARNING),
        (1024, Verdict.PROBLEM),
    ],
)
def test_open_files(limit: int, verdict: Verdict) -> None:
    assert open_files(limit).verdict is verdict


def test_cgroups_version_2(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    finding = examine_cgroups(tmp_path)
    assert (finding.verdict, finding.detail) == (Verdict.OK, "version 2 with cpu, cpuset, io, memory, pids")
    (tmp_path / "cgroup.controllers").write_text("cpuset io\n")
    assert examine_cgroups(tmp_path).detail == "version 2 without cpu, memory, pids"


def test_cgroups_version_1(tmp_path: Path) -> None:
    for name in ("cpu,cpuacct", "memory", "pids"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").touch()
    (tmp_path / "unmounted").mkdir()
    assert examine_cgroups(tmp_path).detail == "version 1 with cpu, memory, pids"


def test_no_cgroups(tmp_path: Path) -> None:
    assert examine_cgroups(tmp_path / "nothing").verdict is Verdict.PROBLEM


@pytest.mark.parametrize(
    ("addresses", "verdict"),
    [(["127.0.0.1", "::1"], Verdict.OK), (["192.0.2.1"], Verdict.WARNING), (None, Verdict.WARNING)],
)
def test_names(monkeypatch: pytest.MonkeyPatch, addresses: list[str] | None, verdict: Verdict) -> None:
    def resolve(*args: object, **kwargs: object) -> list[tuple[object, ...]]:
        if addresses is None:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(0, 0, 0, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    finding = examine_names()
    assert finding.verdict is verdict
    assert ("libnss-myhostname" in finding.advice) is (verdict is not Verdict.OK)


@pytest.mark.parametrize(("gib", "verdict"), [(50, Verdict.OK), (5, Verdict.WARNING), (1, Verdict.PROBLEM)])
def test_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, gib: int, verdict: Verdict) -> None:
    asked: list[Path] = []

    def disk_usage(path: Path) -> object:
        asked.append(path)
        return SimpleNamespace(free=gib << 30)

    monkeypatch.setattr(surroundings.shutil, "disk_usage", disk_usage)
    finding = examine_disk(tmp_path / "not" / "there" / "yet")
    assert finding.verdict is verdict
    assert asked == [tmp_path]


def test_overlay(tmp_path: Path) -> None:
    proc, modules = tmp_path / "filesystems", tmp_path / "modules.dep"
    proc.write_text("nodev\ttmpfs\n")
    assert kernel._overlay(proc, modules).verdict is Verdict.PROBLEM
    modules.write_text("kernel/fs/overlayfs/overlay.ko.xz:\n")
    assert kernel._overlay(proc, modules).detail == "is loaded when it is needed"
    proc.write_text("nodev\toverlay\n")
    assert kernel._overlay(proc, modules).detail == "in the kernel"


async def test_everything_is_looked_at_and_an_absent_engine_is_a_warning_with_its_remedy(
    bench: Bench, tmp_path: Path
) -> None:
    bench.recipe(
        "tool",
        """
        name = "tool"
        version = "1.0"
        files = ["tool"]
        providers = [{ kind = "path" }]
        check = { file = "tool", pattern = 'v(.*)' }
        """,
    )
    findings = {finding.subject: finding for finding in await examine(bench.catalog(), tmp_path)}
    assert {"user", "capabilities", "open files", "cgroups", "overlay", "*.localhost"} <= findings.keys()
    assert findings["engine tool"].verdict is Verdict.WARNING
    assert findings["engine tool"].detail == "no tool on PATH; it can come from: this machine"
    assert findings["engine tool"].advice == "roadstead engines install tool"
    script(tmp_path / "path" / "tool", "echo v7.1")
    findings = {finding.subject: finding for finding in await examine(bench.catalog(), tmp_path)}
    assert findings["engine tool"].detail == "7.1 (path)"


def test_the_kernel_is_tried_out_where_nobody_sees_it() -> None:
    before = sorted(Path("/sys/class/net").iterdir())
    namespace = Path("/proc/self/ns/net").readlink()
    findings = kernel.examine_kernel()
    assert {"veth", "bridge", "vxlan", "nftables"} <= {finding.subject for finding in findings}
    assert sorted(Path("/sys/class/net").iterdir()) == before
    assert Path("/proc/self/ns/net").readlink() == namespace
