"""Frees everything that a deployment has in the kernel's network: for `down`, and after a crash."""

from __future__ import annotations

from pathlib import Path

from roadstead.agent.host.network.names import link_role, route_metric, table_name, unreachable_metric
from roadstead.agent.host.network.namespaces import RUN, NamespaceDirectory
from roadstead.agent.host.network.netlink import Netlink
from roadstead.agent.host.network.nft import Nft
from roadstead.agent.host.network.syscalls import unmount
from roadstead.agent.kernelnet.namespaces import in_namespace


def free_everything(tag: str, run_dir: Path = RUN) -> None:
    """Remove the namespaces, interfaces, routes, nftables tables and mounts that carry `tag`, and nothing else.

    Works on the calling thread's network namespace as the host. It blocks, may be repeated, and raises OSError when something can't
    be removed. No process of the deployment may run any more: a role would make things again.
    """
    directory = NamespaceDirectory(tag, run_dir)
    for name in directory.names():
        if directory.exists(name):
            in_namespace(directory.path(name), lambda: _free_objects(tag))
        directory.delete(name)
    _free_objects(tag)
    for mount in reversed(_mounts_below(directory.root)):
        unmount(mount)
    directory.remove_directories()


def _free_objects(tag: str) -> None:
    netlink = Netlink()
    try:
        for route in netlink.routes():
            if route.metric in (route_metric(tag), unreachable_metric(tag)):
                netlink.delete_route(route)
        for link in netlink.links():
            if link_role(tag, link.name) is not None:
                netlink.delete_link(link.name)
    finally:
        netlink.close()
    if not Nft.installed():
        return
    nft = Nft()
    try:
        for family, name in nft.tables():
            if name == table_name(tag):
                nft.run(f"delete table {family} {name}\n")
    finally:
        nft.close()


def _mounts_below(root: Path) -> list[Path]:
    """Mount points at or below `root`, outer before inner (proc_pid_mountinfo(5), field 5)."""
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return sorted(path for path in map(Path, points) if path.is_relative_to(root))
