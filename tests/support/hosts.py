"""A server of the watch stream for tests: frames are put in, statuses come out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from roadstead.agent.host.reconcile.model import Disconnected, Reference
from roadstead.wire.hosts import (
    ChangeFrame,
    Frame,
    HostResource,
    HostResourceStatus,
    InterfaceSpec,
    ListFrame,
    RemovedFrame,
    SubnetSpec,
    VpcSpec,
)

GATEWAY_PORT = 4566


def resource(kind: str, id: str, spec: msgspec.Struct | dict[str, object], **changes: object) -> HostResource:
    """A resource as the server sends it."""
    made = HostResource(
        kind=kind,
        id=id,
        host="host-1",
        account="000000000000",
        region="us-east-1",
        generation=1,
        revision=1,
        spec=msgspec.Raw(msgspec.json.encode(spec)),
    )
    return msgspec.structs.replace(made, **changes)


def vpc(id: str = "vpc-1", cidr: str = "172.31.0.0/16", **changes: object) -> HostResource:
    """A VPC."""
    spec = VpcSpec(
        cidr=cidr,
        gateway_port=GATEWAY_PORT,
        dns_domain="ec2.internal",
        registry_hosts=("dkr.ecr.us-east-1.amazonaws.com",),
    )
    return resource("vpc", id, spec, **changes)


def subnet(id: str = "subnet-1", vpc_id: str = "vpc-1", cidr: str = "172.31.0.0/20", **changes: object) -> HostResource:
    """A subnet."""
    return resource("subnet", id, SubnetSpec(vpc_id=vpc_id, cidr=cidr, availability_zone="us-east-1a"), **changes)


def interface(
    id: str = "eni-1",
    number: int = 5,
    *,
    vpc_id: str = "vpc-1",
    subnet_id: str = "subnet-1",
    attach_to: str = "pool",
    network: str = "172.31.0",
    **changes: object,
) -> HostResource:
    """An interface with the address `network`.`number`."""
    spec = InterfaceSpec(
        vpc_id=vpc_id,
        subnet_id=subnet_id,
        mac_address=f"0a:00:00:00:{number // 256:02x}:{number % 256:02x}",
        private_ip=f"{network}.{number}",
        hostname=f"ip-{network.replace('.', '-')}-{number}.ec2.internal",
        attach_to=attach_to,
    )
    return resource("interface", id, spec, **changes)


class FakeServer:
    """The server's end of one host's stream."""

    def __init__(self) -> None:
        self.revision = 1
        self.resources: dict[Reference, HostResource] = {}
        self.statuses: dict[Reference, HostResourceStatus] = {}
        self.reports: list[HostResourceStatus] = []
        self.away = False
        self.opened: list[int | None] = []
        self._frames: asyncio.Queue[Frame | None] = asyncio.Queue()
        self._changed = asyncio.Event()

    async def frames(self, revision: int | None) -> AsyncIterator[Frame]:
        """The stream: a List, then what is put in."""
        self.opened.append(revision)
        if self.away:
            raise Disconnected("the server is away")
        self._frames = asyncio.Queue()
        yield ListFrame(revision=self.revision, resources=tuple(self.resources.values()))
        while (frame := await self._frames.get()) is not None:
            yield frame

    async def report(self, statuses: Sequence[HostResourceStatus]) -> None:
        """Keep the statuses; a finalized resource's row goes."""
        if self.away:
            raise Disconnected("the server is away")
        for status in statuses:
            name = Reference(status.kind, status.id)
            self.reports.append(status)
            self.statuses[name] = status
            if status.finalized and self.resources.pop(name, None) is not None:
                self.revision += 1
                self._frames.put_nowait(RemovedFrame(revision=self.revision, kind=status.kind, id=status.id))
        self._changed.set()

    def put(self, *resources: HostResource) -> None:
        """Add or change resources, in this order."""
        for one in resources:
            self.revision += 1
            known = self.resources.get(Reference.of(one))
            generation = known.generation + 1 if known is not None else 1
            changed = msgspec.structs.replace(one, revision=self.revision, generation=generation)
            self.resources[Reference.of(one)] = changed
            self._frames.put_nowait(ChangeFrame(revision=self.revision, resource=changed))

    def delete(self, *names: Reference) -> None:
        """Ask for the deletion of resources."""
        for name in names:
            self.put(msgspec.structs.replace(self.resources[name], deletion_requested=True))

    def disconnect(self) -> None:
        """End the stream and refuse new ones."""
        self.away = True
        self._frames.put_nowait(None)

    def reconnect(self) -> None:
        """Accept streams again."""
        self.away = False

    async def until(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        """Wait until `condition` holds; looked at after each report and now and then."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                try:
                    async with asyncio.timeout(0.02):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def until_ready(self, *names: Reference, seconds: float = 20) -> None:
        """Wait until these (all known ones by default) are reported ready at their newest generation."""
        await self.until(lambda: all(self.is_ready(name) for name in names or tuple(self.resources)), seconds)

    async def until_gone(self, *names: Reference, seconds: float = 20) -> None:
        """Wait until these (all known ones by default) are finalized."""
        await self.until(lambda: not any(name in self.resources for name in names or tuple(self.resources)), seconds)

    def is_ready(self, name: Reference) -> bool:
        """Whether the newest status says Ready for the newest generation."""
        status = self.statuses.get(name)
        return (
            status is not None
            and status.observed_generation == self.resources[name].generation
            and self.condition(name, "Ready") == ("True", "")
        )

    def condition(self, name: Reference, type: str) -> tuple[str, str] | None:
        """Status and reason of a condition in the newest status."""
        status = self.statuses.get(name)
        for condition in status.conditions if status is not None else ():
            if condition.type == type:
                return condition.status, condition.reason
        return None
