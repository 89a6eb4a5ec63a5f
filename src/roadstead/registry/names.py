"""Which registry a request means: the host names of image references, down to account and region."""

from __future__ import annotations

import re
from dataclasses import dataclass

from roadstead.core.oci.ecr_hosts import is_like_ecr, registry_of_host
from roadstead.kernel.settings import GATEWAY_ADDRESS, Deployment
from roadstead.services.ecr.api import PUBLIC


@dataclass(frozen=True, slots=True)
class RegistryId:
    """A registry: a private one for each account and region; the public ones are all at PUBLIC, their account an alias in the path."""

    account: str
    region: str


PUBLIC_REGISTRIES = RegistryId("", PUBLIC)
_PUBLIC_HOSTS = frozenset({"public.ecr.aws", "public.ecr.localhost"})


class RegistryNames:
    """The names of one deployment's registries."""

    def __init__(self, deployment: Deployment) -> None:
        self._default = RegistryId(deployment.account, deployment.region)
        self._own = {"localhost", "127.0.0.1", "[::1]", GATEWAY_ADDRESS, deployment.host}

    def resolve(self, host: str, namespace: str | None) -> RegistryId | None:
        """The registry of a request by its Host header and containerd's `ns` parameter, which goes first.

        A host that names no account is the default registry, whatever it is called, for the request reached us. A namespace names the
        registry that the image is from; None when that is not one of ours, and for a host that names an account in no form of AWS's.
        """
        if namespace:
            return self._named(namespace, strict=True)
        return self._named(host, strict=False)

    def _named(self, host: str, *, strict: bool) -> RegistryId | None:
        name = re.sub(r":\d+$", "", host).lower()
        if name in _PUBLIC_HOSTS:
            return PUBLIC_REGISTRIES
        found = registry_of_host(name)
        if found is not None:
            return RegistryId(found.account, found.region)
        if is_like_ecr(name) or (strict and name not in self._own):
            return None
        return self._default
