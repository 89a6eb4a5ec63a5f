"""Recipes: what an engine is and where it may come from, as data.

A recipe is one TOML file, beside it at most one folder with sources of ours. The loader refuses unknown fields, so that a
misspelt one is an error and not a silent default.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

from roadstead.engines.errors import InvalidRecipe
from roadstead.engines.host import CAPABILITIES, HostFacts
from roadstead.engines.version import VersionRange


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A part of a recipe."""


class Condition(Struct, frozen=True):
    """Holds on a machine when every field that is set does; capabilities by their name in capabilities(7)."""

    has_capability: str | None = None
    lacks_capability: str | None = None
    architecture: str | None = None

    def __post_init__(self) -> None:
        for name in (self.has_capability, self.lacks_capability):
            if name is not None and name not in CAPABILITIES:
                raise ValueError(f"unknown capability {name}")

    def holds(self, host: HostFacts) -> bool:
        """Whether this machine meets the condition."""
        return (
            (self.has_capability is None or self.has_capability in host.capabilities)
            and (self.lacks_capability is None or self.lacks_capability not in host.capabilities)
            and (self.architecture is None or self.architecture == host.architecture)
        )


class Check(Struct, frozen=True):
    """How a binary shows its version: run `file` with `arguments`, take group 1 of `pattern`, compare with `accepts`.

    `accepts` guards what the machine brings; what we build has the recipe's version by its module.
    """

    file: str
    pattern: str
    accepts: str = ""
    arguments: tuple[str, ...] = ()
    static: bool = False

    def __post_init__(self) -> None:
        if re.compile(self.pattern).groups != 1:
            raise ValueError("the pattern of a check needs exactly one group, the version")
        VersionRange.parse(self.accepts)

    def version_in(self, output: str) -> str | None:
        """The dotted version that the output shows, or None."""
        match = re.search(self.pattern, output)
        return match[1] if match and re.fullmatch(r"\d+(\.\d+)*", match[1]) else None

    def allows(self, version: str) -> bool:
        """Whether a dotted version is one of those that we can work with."""
        return version in VersionRange.parse(self.accepts)


class PathProvider(Struct, frozen=True, tag="path", tag_field="kind"):
    """Files that are on the machine already: in a directory that the user names, or on PATH."""

    when: Condition = Condition()


class Asset(Struct, frozen=True):
    """One file of an official release: `members` maps a file of the engine to its path in the archive.

    Without `members` the download is the file itself (there must be one). `sha256` is of the download.
    """

    architecture: str
    url: str
    sha256: str
    members: dict[str, str] = {}

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError("sha256 must be 64 lower-case hexadecimal digits")


class ReleaseProvider(Struct, frozen=True, tag="release", tag_field="kind"):
    """Downloads of an official release with pinned checksums; none for an architecture means there is nothing for it.

    `version` is the release's, where it is not the recipe's.
    """

    when: Condition = Condition()
    version: str = ""
    assets: tuple[Asset, ...] = ()


class Patch(Struct, frozen=True):
    """Replace the one occurrence of `find` in `file` of `module` before building; fails when it is not there."""

    module: str
    file: str
    find: str
    replace: str
    when: Condition = Condition()


class Replacement(Struct, frozen=True):
    """For every requirement `PREFIX... AT` in the go.mod of `module`, write `replace X => X TO` into ours.

    Kubernetes needs it: its own go.mod names its staging modules at v0.0.0.
    """

    module: str
    prefix: str
    at: str
    to: str


class GoProvider(Struct, frozen=True, tag="go", tag_field="kind"):
    """A build with the machine's Go toolchain, through whatever module proxy that is configured for.

    `modules` are required by a module of ours; `outputs` maps each binary to a package, where `.` is our own main package
    from the folder `source` beside the recipe; `links` are further names of a multi-call binary. `sums` pins modules by
    their `h1:` checksum (https://go.dev/ref/mod#go-sum-files). The requirements of `copy_requires` modules are taken over at
    their versions.
    """

    outputs: dict[str, str]
    when: Condition = Condition()
    modules: dict[str, str] = {}
    sums: dict[str, str] = {}
    source: str | None = None
    links: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    ldflags: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    godebug: dict[str, str] = {}
    replacements: tuple[Replacement, ...] = ()
    copy_requires: tuple[str, ...] = ()
    patches: tuple[Patch, ...] = ()

    def __post_init__(self) -> None:
        named = {
            *self.sums,
            *self.copy_requires,
            *(r.module for r in self.replacements),
            *(p.module for p in self.patches),
        }
        if unknown := named - self.modules.keys():
            raise ValueError(f"modules lacks {', '.join(sorted(unknown))}")
        if unknown := set(self.links.values()) - self.outputs.keys():
            raise ValueError(f"links to {', '.join(sorted(unknown))}, which is no output")
        if "." in self.outputs.values() and self.source is None:
            raise ValueError("the package . needs a source")


class PackageProvider(Struct, frozen=True, tag="package", tag_field="kind"):
    """Packages of a Debian family distribution."""

    packages: tuple[str, ...]
    when: Condition = Condition()


Provider = PathProvider | ReleaseProvider | GoProvider | PackageProvider


class Recipe(Struct, frozen=True):
    """An engine: its files, how to check them, and its providers in the order in which they are tried.

    `group` is `engine` for what every deployment runs, `kubernetes` for what EKS clusters add, and `peer` for what only
    tests and benchmarks use.
    """

    name: str
    version: str
    files: tuple[str, ...]
    check: Check
    providers: tuple[Provider, ...]
    summary: str = ""
    group: Literal["engine", "kubernetes", "peer"] = "engine"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", self.name):
            raise ValueError(f"not a name for an engine: {self.name!r}")
        if not self.files or any("/" in file for file in self.files):
            raise ValueError("files are one or more plain names")
        if self.check.file not in self.files:
            raise ValueError(f"check.file {self.check.file!r} is none of the files")
        kinds = {type(provider) for provider in self.providers}
        if PackageProvider in kinds and PathProvider not in kinds:
            raise ValueError("a package provider needs a path provider, which finds what was installed")
        for provider in self.providers:
            if isinstance(provider, GoProvider) and (missing := set(self.files) - _made_by(provider)):
                raise ValueError(f"the go provider makes no {', '.join(sorted(missing))}")
            if isinstance(provider, ReleaseProvider) and not self.check.allows(provider.version or self.version):
                raise ValueError(f"its release does not fit check.accepts, {self.check.accepts}")


def _made_by(provider: GoProvider) -> set[str]:
    return {*provider.outputs, *provider.links}


def read_recipe(path: Path) -> Recipe:
    """Read one recipe file; raises InvalidRecipe, which names the file and the fault."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Recipe)
    except (msgspec.DecodeError, ValueError, re.error) as error:
        raise InvalidRecipe(f"{path}: {error}") from error
