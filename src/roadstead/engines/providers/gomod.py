"""The go.mod of a build: composed from a recipe and the go.mod files of the modules it names. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from roadstead.engines.recipe import GoProvider


class ModuleDownload(msgspec.Struct, frozen=True, rename="pascal"):
    """One object of `go mod download -json` (see `go help mod download`)."""

    path: str
    version: str = ""
    sum: str = ""
    error: str = ""
    directory: str = msgspec.field(default="", name="Dir")
    gomod: str = msgspec.field(default="", name="GoMod")


class Requirement(msgspec.Struct, frozen=True, rename="pascal"):
    """One requirement in a go.mod."""

    path: str
    version: str
    indirect: bool = False


class GoMod(msgspec.Struct, frozen=True, rename="pascal"):
    """The parts of `go mod edit -json` that we read."""

    go: str = ""
    require: tuple[Requirement, ...] = ()


def parse_downloads(text: str) -> tuple[ModuleDownload, ...]:
    """Read the JSON objects that `go mod download -json` writes one after the other."""
    documents = text.replace("\n}\n{", "\n}\x00{").split("\x00")
    return tuple(msgspec.json.decode(part, type=ModuleDownload) for part in documents if part.strip())


def parse_gomod(text: str) -> GoMod:
    """Read what `go mod edit -json` writes."""
    return msgspec.json.decode(text, type=GoMod)


def compose_gomod(
    provider: GoProvider, modules: Mapping[str, GoMod], patched: Mapping[str, Path], *, toolchain_version: str
) -> str:
    """The text of our go.mod; `modules` are the go.mod files of the provider's modules, `patched` their local copies.

    The language version is the highest that a module asks for, or the toolchain's when there is no module.
    """
    versions = [module.go for module in modules.values() if module.go] or [toolchain_version]
    lines = ["module roadstead.invalid/engine", "", f"go {max(versions, key=_go_version)}", ""]
    lines += [f"godebug {name}={value}" for name, value in provider.godebug.items()]
    lines += [f"require {path} {version}" for path, version in provider.modules.items()]
    replaced = _replacements(provider, modules)
    for module in provider.copy_requires:
        lines += [
            f"require {requirement.path} {requirement.version}"
            for requirement in modules[module].require
            if requirement.path not in provider.modules and requirement.path not in replaced
        ]
    lines += [f"replace {path} => {path} {version}" for path, version in replaced.items()]
    lines += [f"replace {path} => {directory}" for path, directory in patched.items()]
    return "\n".join(lines) + "\n"


def _replacements(provider: GoProvider, modules: Mapping[str, GoMod]) -> dict[str, str]:
    return {
        requirement.path: rule.to
        for rule in provider.replacements
        for requirement in modules[rule.module].require
        if requirement.path.startswith(rule.prefix) and requirement.version == rule.at
    }


def _go_version(text: str) -> tuple[int, ...]:
    numbers = text.partition("rc")[0]
    return tuple(int(part) for part in numbers.split("."))
