"""Engines from the packages of a Debian family distribution."""

from __future__ import annotations

import os
import shutil

from roadstead.engines.errors import NotProvided
from roadstead.engines.recipe import PackageProvider
from roadstead.engines.subprocesses import run

_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive"}
# apt's own lock is waited for: unattended upgrades hold it for minutes on fresh machines.
_OPTIONS = ("-y", "-o", "DPkg::Lock::Timeout=300")
# What a package conflicts with stays, and apt says so: Debian's runc would take Docker's own packages away, and all that runs in them.
_INSTALL = ("install", "--no-install-recommends", "--no-remove")


async def install(provider: PackageProvider) -> None:
    """Install the packages, after refreshing the package lists when they are not known; raises NotProvided."""
    command = f"apt-get install {' '.join(provider.packages)}"
    apt = shutil.which("apt-get")
    if apt is None:
        raise NotProvided(
            "this machine has no apt-get", advice=f"install {' '.join(provider.packages)} by its own means"
        )
    if os.geteuid() != 0:
        raise NotProvided("installing packages needs root", advice=f"sudo {command}")
    arguments = [apt, *_INSTALL, *_OPTIONS, *provider.packages]
    done = await run(arguments, environment=_ENVIRONMENT)
    if done.status != 0:
        refreshed = await run([apt, "update", *_OPTIONS], environment=_ENVIRONMENT)
        done = await run(arguments, environment=_ENVIRONMENT) if refreshed.status == 0 else refreshed
    if done.status != 0:
        tail = "; ".join(done.output.strip().splitlines()[-3:])
        raise NotProvided(f"`{command}` failed: {tail}", advice=f"let apt reach its mirrors, then `{command}`")
