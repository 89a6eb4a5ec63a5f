"""Kernel features, tried out in a network namespace that vanishes with the thread that made it."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import cast

from pyroute2 import IPRoute  # pyright: ignore[reportMissingTypeStubs]
from pyroute2.netlink.exceptions import NetlinkError  # pyright: ignore[reportMissingTypeStubs]

from roadstead.engines.checkup.finding import Finding, Verdict

_CLONE_NEWNET = 0x40000000
_NFT_SECONDS = 10.0


def examine_kernel() -> list[Finding]:
    """Try interfaces and packet filter, and look for overlay; blocking, for a worker thread. Leaves nothing behind."""
    if os.geteuid() != 0:
        return [_overlay(), Finding("network", Verdict.WARNING, "can be tried by root only", "run it with sudo")]
    found: list[Finding] = []
    # A thread of its own: it gives up the host's network for good, and may not go back to a pool.
    thread = Thread(target=lambda: found.extend(_in_fresh_namespace()), name="network trial")
    thread.start()
    thread.join()
    return [_overlay(), *found]


def _in_fresh_namespace() -> list[Finding]:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        reason = os.strerror(ctypes.get_errno())
        return [Finding("network", Verdict.PROBLEM, f"no network namespace can be made: {reason}", "run it with sudo")]
    with IPRoute() as ip:
        add = cast("Callable[..., object]", ip.link)  # pyright: ignore[reportUnknownMemberType]
        links = [
            _try_link(add, "veth", {"peer": "trial-peer"}),
            _try_link(add, "bridge", {}),
            _try_link(add, "vxlan", {"vxlan_id": 1, "vxlan_port": 4789}),
        ]
    return [*links, _nftables()]


def _try_link(link: Callable[..., object], kind: str, options: dict[str, str | int]) -> Finding:
    try:
        link("add", ifname=f"trial-{kind}", kind=kind, **options)
    except NetlinkError as error:
        reason = os.strerror(cast("int", error.code))  # pyright: ignore[reportUnknownMemberType]
        return Finding(kind, Verdict.PROBLEM, f"cannot be made: {reason}", f"modprobe {kind}")
    return Finding(kind, Verdict.OK, "works")


def _nftables() -> Finding:
    nft = shutil.which("nft") or shutil.which("nft", path="/usr/sbin:/sbin")
    if nft is None:
        return Finding("nftables", Verdict.WARNING, "could not be tried: no nft", "roadstead engines install nftables")
    rules = "table inet trial { chain c { type filter hook forward priority 0; ct state established accept; }; }"
    done = subprocess.run([nft, rules], capture_output=True, text=True, timeout=_NFT_SECONDS, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["nft failed"])[0]
        return Finding("nftables", Verdict.PROBLEM, reason, "modprobe nf_tables nf_conntrack")
    return Finding("nftables", Verdict.OK, "works, with connection tracking")


def _overlay(proc: Path = Path("/proc/filesystems"), modules: Path | None = None) -> Finding:
    modules = modules or Path("/lib/modules") / platform.release() / "modules.dep"
    if "\toverlay\n" in proc.read_text():
        return Finding("overlay", Verdict.OK, "in the kernel")
    if modules.is_file() and "/overlay.ko" in modules.read_text():
        return Finding("overlay", Verdict.OK, "is loaded when it is needed")
    return Finding("overlay", Verdict.PROBLEM, "the kernel has no overlay file system", "modprobe overlay")
