"""The upstreams of a server: which of them a request is for, and what is needed to call it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from roadstead.access.action_data import actions_of
from roadstead.core.forwarding.s3.places import is_s3_host
from roadstead.gateway.forwarding.credentials import KeySource, NoKeys, key_source
from roadstead.gateway.forwarding.settings import REGION_PLACE, BadUpstream, UpstreamSettings
from roadstead.gateway.models import Catalog, ServiceEntry, UnknownModel, service_model
from roadstead.kernel.settings import Deployment

S3 = "s3"
_UNDERSTOOD = frozenset({"json", "query", "rest-json", "rpc-v2-cbor", "ec2"})
_OTHER_PREFIXES = {"monitoring": "cloudwatch"}


@dataclass(frozen=True, slots=True)
class Upstream:
    """Somebody who has a service. `prefix` leads the service's IAM actions; `account` is whose everything there is."""

    settings: UpstreamSettings
    keys: KeySource
    account: str
    entry: ServiceEntry
    prefix: str

    @property
    def service(self) -> str:
        """The service's name in boto3."""
        return self.settings.service

    @property
    def arn_account(self) -> str:
        """The account in the ARNs of what is there."""
        return self.settings.arn_account or self.account

    def base(self, region: str) -> tuple[str, str]:
        """Scheme and host, with the port, for a call of this region."""
        scheme, _, host = self.settings.endpoint.rstrip("/").partition("://")
        return scheme, host.replace(REGION_PLACE, region)

    def region(self, callers: str) -> str:
        """What a call is signed for."""
        return self.settings.region or callers


class Upstreams:
    """All of them; several of one service are of different accounts."""

    def __init__(self, upstreams: Iterable[Upstream]) -> None:
        self._by_service: dict[str, list[Upstream]] = {}
        for each in upstreams:
            self._by_service.setdefault(each.service, []).append(each)

    @cached_property
    def services(self) -> frozenset[str]:
        """The names of the services that are passed on."""
        return frozenset(self._by_service)

    @cached_property
    def catalog(self) -> Catalog:
        """What their models say of themselves."""
        return Catalog(self.services)

    def __iter__(self) -> Iterator[Upstream]:
        return (each for found in self._by_service.values() for each in found)

    def for_caller(self, service: str, account: str) -> Upstream:
        """The upstream of a service for an account's callers: their own, or the first, whose account must then have let them in."""
        found = self._by_service[service]
        return next((each for each in found if each.account == account), found[0])

    def claims(self, scope: str | None, host: str, target: str | None) -> bool:
        """Whether a request is for one of these services, by the credential scope's service, or else by its target or host."""
        if scope is not None:
            return bool(self.catalog.by_scope(scope))
        if target is not None:
            return bool(self.catalog.by_target(target.rpartition(".")[0]))
        return bool(self.catalog.by_host(host))

    def is_s3_host(self, host: str) -> bool:
        """Whether a Host header says itself that a request is S3's."""
        return is_s3_host(host)


def open_upstreams(settings: Iterable[UpstreamSettings], deployment: Deployment, built: Collection[str]) -> Upstreams:
    """The upstreams of these settings; `built` are the services that have operations here. Raises BadUpstream."""
    return Upstreams(_opened(each, deployment, built) for each in settings)


def _opened(settings: UpstreamSettings, deployment: Deployment, built: Collection[str]) -> Upstream:
    where = f"the upstream of {settings.service}"
    if settings.service in built:
        raise BadUpstream(f"{where}: Roadstead has this service itself")
    try:
        service_model(settings.service)
        keys = key_source(settings)
    except UnknownModel as error:
        raise BadUpstream(f"{where}: there is no service of this name in boto3") from error
    except NoKeys as error:
        raise BadUpstream(f"{where}: {error}") from error
    entry = Catalog([settings.service]).entries[0]
    if settings.service != S3 and not _UNDERSTOOD & set(entry.protocols):
        raise BadUpstream(f"{where}: its protocol, {entry.protocols[0]}, is passed on for s3 only")
    if settings.endpoint.rstrip("/").partition("://")[2] in _own_hosts(deployment):
        raise BadUpstream(f"{where}: {settings.endpoint} is this server itself")
    return Upstream(settings, keys, settings.account or deployment.account, entry, _prefix(entry, where))


def _prefix(entry: ServiceEntry, where: str) -> str:
    names = (entry.signing_name, entry.endpoint_prefix.rpartition(".")[2], entry.name)
    for name in (_OTHER_PREFIXES.get(each, each) for each in names):
        if actions_of(name):
            return name
    raise BadUpstream(f"{where}: nothing is known of its actions in IAM")


def _own_hosts(deployment: Deployment) -> set[str]:
    names = {"localhost", "127.0.0.1", "[::1]", deployment.endpoint.partition("://")[2].rpartition(":")[0]}
    return {f"{name}:{deployment.port}" for name in names}
