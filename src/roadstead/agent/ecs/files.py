"""Files that are mounted into a task's containers, and its volumes that live as long as it does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from roadstead.agent.ecs.launch import Launch
from roadstead.agent.ecs.network.plan import NetworkPlan
from roadstead.agent.runtime.model import Mount
from roadstead.wire.task import MountPoint, Task

_BIND = ("rbind", "rw")
_BIND_READ_ONLY = ("rbind", "ro")


class TaskFiles:
    """The directory of one task."""

    def __init__(self, root: Path, task: str) -> None:
        self._directory = root / task

    def write(self, plan: NetworkPlan, name: str, launch: Launch) -> None:
        """resolv.conf, hosts and hostname of a container (its own DNS settings and extra hosts included)."""
        directory = self._of(name)
        directory.mkdir(parents=True, exist_ok=True)
        host = launch.host
        servers, search = host.dns or plan.nameservers, host.dns_search or plan.search
        resolver = [f"nameserver {server}" for server in servers]
        if search:
            resolver.append(f"search {' '.join(search)}")
        hosts = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
        hosts.append(f"{plan.interfaces[0].address.ip} {plan.hostname}")
        for extra in host.extra_hosts:
            extra_name, _, address = extra.partition(":")
            hosts.append(f"{address} {extra_name}")
        (directory / "resolv.conf").write_text("\n".join(resolver) + "\n")
        (directory / "hosts").write_text("\n".join(hosts) + "\n")
        (directory / "hostname").write_text((launch.config.hostname or plan.hostname) + "\n")

    def mounts(self, task: Task, launches: Mapping[str, Launch], name: str) -> tuple[Mount, ...]:
        """The mounts of a container: its files, its mount points and those that it takes from others. Makes missing directories."""
        files = tuple(
            Mount(str(self._of(name) / file), f"/etc/{file}", "bind", _BIND)
            for file in ("resolv.conf", "hosts", "hostname")
            if (self._of(name) / file).exists()
        )
        points = list(launches[name].container.mount_points)
        mounts = [self._mount(task, point, read_only=point.read_only) for point in points]
        for source in launches[name].container.volumes_from:
            other = launches.get(source.source_container)
            points_of_other = other.container.mount_points if other else ()
            mounts += [
                self._mount(task, each, read_only=each.read_only or source.read_only) for each in points_of_other
            ]
        return files + tuple(mounts)

    def scratch(self, name: str) -> Path:
        """A directory for short-lived files of a container."""
        directory = self._of(name)
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def remove(self) -> None:
        """Delete all of it, however deep containers made their directories: what lies in one is moved up before that is deleted."""
        if not self._directory.exists():
            return
        directories = list(self._directory.iterdir())
        while directories:
            directory = directories.pop()
            for entry in list(os.scandir(directory)):
                if entry.is_dir(follow_symlinks=False):
                    directories.append(Path(entry.path).rename(self._directory / uuid4().hex))
                else:
                    Path(entry.path).unlink()
            directory.rmdir()
        self._directory.rmdir()

    def _of(self, name: str) -> Path:
        return self._directory / "containers" / name

    def _mount(self, task: Task, point: MountPoint, *, read_only: bool) -> Mount:
        source = ""
        for volume in task.volumes:
            if volume.name == point.source_volume and volume.host is not None:
                source = volume.host.source_path
        path = Path(source) if source else self._directory / "volumes" / point.source_volume
        path.mkdir(parents=True, exist_ok=True)
        return Mount(str(path), point.container_path, "bind", _BIND_READ_ONLY if read_only else _BIND)
