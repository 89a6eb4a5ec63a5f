"""Building an engine from its Go module with a Go toolchain and the module proxy that it is configured for."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from roadstead.engines.errors import EngineError
from roadstead.engines.host import HostFacts
from roadstead.engines.providers.gomod import GoMod, ModuleDownload, compose_gomod, parse_downloads, parse_gomod
from roadstead.engines.providers.toolchain import Toolchain
from roadstead.engines.recipe import GoProvider, Patch

Report = Callable[[str, int | None, int | None], None]
"""Called with what is being done, and packages done and in total."""


async def build(
    provider: GoProvider, *, sources: Path, scratch: Path, target: Path, host: HostFacts, report: Report
) -> dict[str, str]:
    """Build every output into the directory `target`; returns what it was made from, for the manifest.

    `sources` is the folder of the recipe's own sources; `scratch` is ours to fill. Raises NotProvided when there is no
    toolchain, a module can't be had or the build fails.
    """
    toolchain = await asyncio.to_thread(Toolchain.find)
    project = scratch / "project"
    if provider.source is not None:
        await asyncio.to_thread(shutil.copytree, sources / provider.source, project)
    else:
        project.mkdir()
    downloads = await _download(toolchain, provider, project, report)
    patched = await _patch(provider, downloads, scratch, host)
    await _write_module(toolchain, provider, project, downloads, patched)
    for file, package in provider.outputs.items():
        await _build_one(toolchain, provider, project, package, target / file, report)
    for link, output in provider.links.items():
        (target / link).symlink_to(output)
    version = await toolchain("env", "GOVERSION", cwd=project)
    return {
        "toolchain": version.stdout.strip(),
        **{f"module {d.path}": f"{d.version} {d.sum}" for d in downloads},
        **{f"patched {p.module}/{p.file}": p.replace for p in _patches_for(provider, host)},
    }


async def _download(
    toolchain: Toolchain, provider: GoProvider, project: Path, report: Report
) -> tuple[ModuleDownload, ...]:
    if not provider.modules:
        return ()
    report("fetching modules", None, None)
    wanted = [f"{module}@{version}" for module, version in provider.modules.items()]
    downloads = parse_downloads((await toolchain("mod", "download", "-json", *wanted, cwd=project)).stdout)
    for download in downloads:
        pinned = provider.sums.get(download.path)
        if pinned is not None and pinned != download.sum:
            raise EngineError(
                f"{download.path} {download.version} has the checksum {download.sum}, the recipe pins {pinned}; "
                "the module proxy serves something else than was released: do not use it"
            )
    return downloads


def _patches_for(provider: GoProvider, host: HostFacts) -> list[Patch]:
    return [patch for patch in provider.patches if patch.when.holds(host)]


async def _patch(
    provider: GoProvider, downloads: tuple[ModuleDownload, ...], scratch: Path, host: HostFacts
) -> dict[str, Path]:
    """Copy each module that has a patch for this host and change it there: the module cache is not ours to change."""
    copies: dict[str, Path] = {}
    directories = {download.path: Path(download.directory) for download in downloads}
    for number, patch in enumerate(_patches_for(provider, host)):
        if patch.module not in copies:
            copy = copies[patch.module] = scratch / f"patched-{number}"
            await asyncio.to_thread(_copy_writable, directories[patch.module], copy)
        _apply(patch, copies[patch.module] / patch.file)
    return copies


def _copy_writable(source: Path, target: Path) -> None:
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for directory in (target, *(path for path in target.rglob("*") if path.is_dir())):
        directory.chmod(0o755)


def _apply(patch: Patch, file: Path) -> None:
    text = file.read_text()
    if text.count(patch.find) != 1:
        raise EngineError(f"the recipe patches {patch.find!r} in {patch.module}/{patch.file}, which is not there once")
    file.write_text(text.replace(patch.find, patch.replace))


async def _write_module(
    toolchain: Toolchain,
    provider: GoProvider,
    project: Path,
    downloads: tuple[ModuleDownload, ...],
    patched: dict[str, Path],
) -> None:
    """Write go.mod, and a go.sum that begins with the modules' own, so that Go checks what they were released with."""
    theirs: dict[str, GoMod] = {}
    sums: list[str] = []
    for download in downloads:
        theirs[download.path] = parse_gomod(
            (await toolchain("mod", "edit", "-json", download.gomod, cwd=project)).stdout
        )
        released = Path(download.directory) / "go.sum"
        if released.is_file():
            sums.append(released.read_text())
    version = (await toolchain("env", "GOVERSION", cwd=project)).stdout.strip().removeprefix("go")
    (project / "go.mod").write_text(compose_gomod(provider, theirs, patched, toolchain_version=version))
    (project / "go.sum").write_text("".join(sums))


async def _build_one(
    toolchain: Toolchain, provider: GoProvider, project: Path, package: str, output: Path, report: Report
) -> None:
    flags = ["-mod=mod", *([f"-tags={','.join(provider.tags)}"] if provider.tags else [])]
    report(f"{output.name}: resolving packages", None, None)
    listed = await toolchain("list", *flags, "-deps", package, cwd=project, environment=provider.environment)
    total = len(listed.stdout.split())
    compiled = 0

    def count(line: str) -> None:
        nonlocal compiled
        if not line.startswith(("go: ", "#")):
            compiled += 1
            report(output.name, compiled, total)

    report(output.name, 0, total)
    link = f"-ldflags={' '.join(('-s', '-w', *provider.ldflags))}"
    flags += ["-trimpath", "-buildvcs=false", link]
    arguments = ["build", "-v", *flags, "-o", str(output), package]
    await toolchain(*arguments, cwd=project, environment=provider.environment, on_error_line=count)
    report(output.name, total, total)
