"""From what a task asks of a container to what its engine is given."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

from roadstead.agent.runtime import labels
from roadstead.agent.runtime.accounts import Accounts, UnknownUser, read_accounts
from roadstead.agent.runtime.api import types_pb2
from roadstead.agent.runtime.capabilities import UnknownCapability
from roadstead.agent.runtime.cgroups import Cgroups
from roadstead.agent.runtime.config import RuntimeSettings
from roadstead.agent.runtime.containers import Record, open_output
from roadstead.agent.runtime.errors import CannotCreateContainer, ContainerdError
from roadstead.agent.runtime.launch import Launcher
from roadstead.agent.runtime.model import ContainerSpec, Device, Image, Isolation, TaskSpec
from roadstead.agent.runtime.process import NoCommand, combine
from roadstead.agent.runtime.sandboxes import own_oom_score, sandbox_id
from roadstead.agent.runtime.snapshots import layer_directories
from roadstead.agent.runtime.spec import DeviceNode, Place, Unsuitable, oci_spec

_IMAGES = 256
"""Of how many images the accounts are remembered."""


class Maker:
    """Makes what containerd is told of the containers of tasks. Remembers the accounts of the last images."""

    def __init__(self, launcher: Launcher, cgroups: Cgroups, settings: RuntimeSettings) -> None:
        self._launcher = launcher
        self._cgroups = cgroups
        self._settings = settings
        self._accounts: dict[str, Accounts] = {}

    async def prepare(self, spec: ContainerSpec, task: TaskSpec) -> Record:
        """Make a container's root file system and specification and store them, for `Launcher.create`. Raises CannotCreateContainer."""
        sandbox = sandbox_id(task.id) if task.isolation is Isolation.GVISOR else ""
        await asyncio.to_thread(self._cgroups.remove_container, task.id, spec.id)
        try:
            process = combine(spec)
            place = self._place(spec, sandbox)
            open_output(spec.output)
            rootfs = await self._launcher.prepare_rootfs(spec.id, spec.image.chain_id)
            identity = (await self._accounts_of(spec.image, rootfs)).resolve(process.user)
            document = oci_spec(spec, task, process, identity, place)
        except (NoCommand, UnknownUser, UnknownCapability, Unsuitable, OSError, ContainerdError) as error:
            raise CannotCreateContainer(str(error)) from error
        ours = labels.ours(self._settings.tag, task.id, task.isolation.value, labels.APPLICATION, sandbox or spec.id)
        record = Record(
            id=spec.id,
            image=spec.image.reference,
            isolation=task.isolation,
            document=document,
            labels={**spec.labels, **ours},
            rootfs=tuple(rootfs),
            output=spec.output,
        )
        await self._launcher.store(record)
        return record

    def _place(self, spec: ContainerSpec, sandbox: str) -> Place:
        init = self._settings.engines.init
        return Place(
            cgroup=self._cgroups.path(spec.task_id, spec.id),
            sandbox=sandbox,
            architecture=self._settings.architecture,
            oom_score=own_oom_score(),
            swap_accounting=self._cgroups.swap_accounting,
            init=str(init) if init else None,
            devices=tuple(_device_node(device) for device in spec.devices),
        )

    async def _accounts_of(self, image: Image, rootfs: list[types_pb2.Mount]) -> Accounts:
        accounts = self._accounts.get(image.chain_id)
        if accounts is None:
            accounts = await asyncio.to_thread(read_accounts, layer_directories(rootfs))
            if len(self._accounts) == _IMAGES:
                del self._accounts[next(iter(self._accounts))]
            self._accounts[image.chain_id] = accounts
        return accounts


def _device_node(device: Device) -> DeviceNode:
    found = Path(device.host_path).stat()
    kind = "b" if stat.S_ISBLK(found.st_mode) else "c"
    if not (stat.S_ISBLK(found.st_mode) or stat.S_ISCHR(found.st_mode)):
        raise OSError(f"{device.host_path} is no device")
    return DeviceNode(
        path=device.container_path or device.host_path,
        type=kind,
        major=os.major(found.st_rdev),
        minor=os.minor(found.st_rdev),
        permissions=device.permissions,
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
    )
