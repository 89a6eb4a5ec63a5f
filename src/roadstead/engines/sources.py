"""Where an engine could come from on this machine, in the order in which the places are tried, for people to read."""

from __future__ import annotations

from roadstead.engines.errors import NotProvided
from roadstead.engines.host import HostFacts
from roadstead.engines.providers.toolchain import Toolchain
from roadstead.engines.recipe import (
    GoProvider,
    PackageProvider,
    PathProvider,
    Provider,
    Recipe,
    ReleaseProvider,
)


def sources(recipe: Recipe, host: HostFacts) -> list[str]:
    """One text a provider. What does not work here says why: a release that nobody pinned, a build without Go."""
    return [_source(provider, host) for provider in recipe.providers if provider.when.holds(host)]


def _source(provider: Provider, host: HostFacts) -> str:
    match provider:
        case PathProvider():
            return "this machine"
        case ReleaseProvider():
            pinned = any(asset.architecture == host.architecture for asset in provider.assets)
            return "official release" if pinned else f"official release (none is pinned for {host.architecture})"
        case GoProvider():
            return f"Go build{_without_go()}"
        case PackageProvider():
            return f"package {' '.join(provider.packages)}"


def _without_go() -> str:
    try:
        Toolchain.find()
    except NotProvided as reason:
        return f" ({reason})"
    return ""
