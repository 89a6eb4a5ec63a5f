"""What every model says of itself in its `metadata`, without loading the model.

Requests name a service by signing name, target prefix, API version or host; the catalog maps those to models. Only the
head of each file is read: botocore writes the metadata first, so all of AWS costs about 100 ms, ours a few.
"""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from json import JSONDecodeError, JSONDecoder
from pathlib import Path
from typing import cast

from roadstead.gateway.models.loader import BOTOCORE_DATA, OWN_SERVICES, loader, read_description
from roadstead.gateway.models.names import SERVICES

__all__ = ["SERVICES", "Catalog", "ServiceEntry", "every_service", "our_services"]

_HEAD = 8192
_METADATA = re.compile(r'"metadata"\s*:\s*')


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """One service as its model's metadata describes it; `protocols` are botocore's names, preferred first."""

    name: str
    api_version: str
    endpoint_prefix: str
    signing_name: str
    target_prefix: str | None
    protocols: tuple[str, ...]


class Catalog:
    """Services by the names that requests carry."""

    def __init__(self, names: Iterable[str]) -> None:
        self.entries = tuple(_entry(name) for name in sorted(names))
        self._scopes: defaultdict[str, list[ServiceEntry]] = defaultdict(list)
        self._targets: defaultdict[str, list[ServiceEntry]] = defaultdict(list)
        self._hosts: defaultdict[str, list[ServiceEntry]] = defaultdict(list)
        self._versions: defaultdict[str, list[ServiceEntry]] = defaultdict(list)
        for entry in self.entries:
            self._scopes[entry.signing_name].append(entry)
            for host in {entry.endpoint_prefix, entry.name}:
                self._hosts[host].append(entry)
            self._versions[entry.api_version].append(entry)
            if entry.target_prefix:
                self._targets[entry.target_prefix].append(entry)

    def by_scope(self, signing_name: str) -> list[ServiceEntry]:
        """Services that sign as `signing_name` (`elasticloadbalancing` is elb and elbv2)."""
        return self._scopes.get(signing_name, [])

    def by_target(self, prefix: str) -> list[ServiceEntry]:
        """Services whose X-Amz-Target, or rpc-v2 service name, begins with `prefix`."""
        return self._targets.get(prefix, [])

    def by_version(self, api_version: str) -> list[ServiceEntry]:
        """Services with that API version."""
        return self._versions.get(api_version, [])

    def by_host(self, host: str) -> list[ServiceEntry]:
        """Services whose endpoint prefix leads `host` (`api.ecr.us-east-1.amazonaws.com`, `monitoring.localhost:4566`)."""
        labels = host.lower().partition(":")[0].split(".")
        for length in (2, 1):
            found = self._hosts.get(".".join(labels[:length]))
            if found and len(labels) > length:
                return found
        return []


@cache
def our_services() -> Catalog:
    """The catalog of SERVICES."""
    return Catalog(SERVICES)


@cache
def every_service() -> Catalog:
    """The catalog of all services that a model exists for."""
    return Catalog(loader().list_available_services("service-2"))


def _entry(name: str) -> ServiceEntry:
    version = loader().determine_latest_version(name, "service-2")
    metadata = _peek(name, version)
    endpoint_prefix = str(metadata["endpointPrefix"])
    target_prefix = metadata.get("targetPrefix")
    protocols = cast("list[str]", metadata.get("protocols") or [metadata["protocol"]])
    return ServiceEntry(
        name=name,
        api_version=str(metadata["apiVersion"]),
        endpoint_prefix=endpoint_prefix,
        signing_name=str(metadata.get("signingName", endpoint_prefix)),
        target_prefix=str(target_prefix) if target_prefix else None,
        protocols=tuple(protocols),
    )


def _peek(name: str, version: str) -> dict[str, object]:
    for root in (OWN_SERVICES, BOTOCORE_DATA):
        folder = Path(root) / name / version
        for file, window in ((folder / "service-2.json", -1), (folder / "service-2.json.gz", 31)):
            if not file.is_file():
                continue
            with file.open("rb") as stream:
                head = stream.read(_HEAD)
            if window > 0:
                head = zlib.decompressobj(window).decompress(head, _HEAD)
            text = head.decode("utf-8", errors="ignore")
            found = _METADATA.search(text)
            if found:
                try:
                    return cast("dict[str, object]", JSONDecoder().raw_decode(text, found.end())[0])
                except JSONDecodeError:
                    break
    return cast("dict[str, object]", read_description(name)["metadata"])
