"""Cache keys: a hash of all that decides which binaries a provider makes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from roadstead.engines.host import HostFacts
from roadstead.engines.recipe import GoProvider, Provider

# Raised when we build in another way and old builds must not be used any more.
_BUILD_REVISION = b"1"


def provider_key(provider: Provider, host: HostFacts, folder: Path) -> str:
    """Twelve hexadecimal characters; `folder` is where the recipe's sources lie.

    Patches that don't apply to this host are left out, so the key names the variant too. The toolchain is not part of it:
    a newer Go is no reason to build again.
    """
    if isinstance(provider, GoProvider):
        provider = msgspec.structs.replace(provider, patches=tuple(p for p in provider.patches if p.when.holds(host)))
    digest = hashlib.sha256(_BUILD_REVISION + b"\0" + host.architecture.encode() + b"\0")
    digest.update(msgspec.json.encode(provider, order="deterministic"))
    if isinstance(provider, GoProvider) and provider.source is not None:
        source = folder / provider.source
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            digest.update(b"\0" + str(file.relative_to(source)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]
