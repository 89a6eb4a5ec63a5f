"""The engine with reconcilers of a made-up host: what is there is a dictionary."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import msgspec
from tests.support.hosts import FakeServer, resource

from roadstead.agent.host.reconcile.binding import Bound
from roadstead.agent.host.reconcile.engine import Engine
from roadstead.agent.host.reconcile.model import Desired, Goal, InvalidSpec, NotYet, Plan, Reference
from roadstead.wire.hosts import Condition


class Thing(msgspec.Struct, frozen=True):
    value: int
    parent: str = ""


class World:
    """The made-up host: what exists, in what order it was changed, and what goes wrong."""

    def __init__(self) -> None:
        self.things: dict[str, int] = {}
        self.log: list[str] = []
        self.faults: dict[str, list[Exception]] = {}


class Things:
    """Reconciles things of one kind."""

    spec_type = Thing

    def __init__(self, kind: str, parent_kind: str | None, world: World) -> None:
        self.kind = kind
        self._parent_kind = parent_kind
        self._world = world

    def references(self, spec: Thing) -> tuple[Reference, ...]:
        return (Reference(self._parent_kind, spec.parent),) if self._parent_kind else ()

    async def observe(self, desired: Desired[Thing]) -> int | None:
        if desired.spec.value < 0:
            raise InvalidSpec("negative")
        await asyncio.sleep(0)
        return self._world.things.get(desired.id)

    def plan(self, desired: Desired[Thing], observed: int | None) -> Plan[tuple[str, int | None]]:
        wanted = desired.spec.value if desired.goal is Goal.PRESENT else None
        actions = () if wanted == observed else ((desired.id, wanted),)
        return Plan(actions, (Condition(type="Value", status="True"),))

    async def carry_out(self, action: tuple[str, int | None]) -> None:
        id, value = action
        faults = self._world.faults.get(id)
        if faults:
            raise faults.pop()
        self._world.log.append(f"{'-' if value is None else '+'}{id}")
        if value is None:
            self._world.things.pop(id, None)
        else:
            self._world.things[id] = value

    async def sweep(self, present: Sequence[Desired[Thing]]) -> None:
        kept = {desired.id for desired in present}
        for id in [id for id in self._world.things if id.startswith(self.kind) and id not in kept]:
            self._world.log.append(f"swept {id}")
            del self._world.things[id]


@asynccontextmanager
async def running(world: World, server: FakeServer) -> AsyncGenerator[None]:
    engine = Engine(
        (Bound(Things("vpc", None, world)), Bound(Things("subnet", "vpc", world))),
        frames=server.frames,
        report=server.report,
        boot_id="boot-1",
        resync_seconds=0.05,
    )
    task = asyncio.create_task(engine.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def vpc(value: int = 1, id: str = "vpc-1"):
    return resource("vpc", id, {"value": value})


def subnet(value: int = 1, id: str = "subnet-1", parent: str = "vpc-1"):
    return resource("subnet", id, {"value": value, "parent": parent})


VPC = Reference("vpc", "vpc-1")
SUBNET = Reference("subnet", "subnet-1")


async def test_a_resource_waits_for_what_it_stands_on_and_goes_before_it() -> None:
    world, server = World(), FakeServer()
    async with running(world, server):
        server.put(subnet())
        await server.until(lambda: server.condition(SUBNET, "Ready") == ("False", "WaitingForReference"))
        server.put(vpc())
        await server.until_ready()
        assert server.statuses[VPC].boot_id == "boot-1"
        assert server.condition(VPC, "Value") == ("True", "")
        server.delete(VPC)
        await server.until(lambda: server.condition(VPC, "Ready") == ("False", "DependantsRemain"))
        server.delete(SUBNET)
        await server.until_gone()
    assert world.log == ["+vpc-1", "+subnet-1", "-subnet-1", "-vpc-1"]


async def test_failures_are_reported_and_tried_again() -> None:
    world, server = World(), FakeServer()
    world.faults["vpc-1"] = [RuntimeError("a bug"), OSError(28, "no space"), NotYet("Busy", "come back")]
    async with running(world, server):
        server.put(vpc())
        await server.until_ready()
    reasons = [
        condition.reason for report in server.reports for condition in report.conditions if condition.type == "Ready"
    ]
    assert reasons == ["Busy", "HostError", "InternalError", ""]


async def test_drift_is_mended_and_a_change_is_carried_out() -> None:
    world, server = World(), FakeServer()
    async with running(world, server):
        server.put(vpc())
        await server.until_ready()
        del world.things["vpc-1"]
        await server.until(lambda: "vpc-1" in world.things)
        server.put(vpc(5))
        await server.until_ready()
        assert world.things["vpc-1"] == 5
        assert server.statuses[VPC].observed_generation == 2


async def test_a_start_adopts_what_fits_and_sweeps_what_nobody_wants() -> None:
    world, server = World(), FakeServer()
    world.things = {"vpc-1": 1, "vpc-9": 1, "subnet-9": 1}
    server.resources[VPC] = vpc()
    async with running(world, server):
        await server.until_ready()
    assert world.log == ["swept subnet-9", "swept vpc-9"]
    assert world.things == {"vpc-1": 1}


async def test_while_the_server_is_away_the_desired_state_stays_in_force() -> None:
    world, server = World(), FakeServer()
    async with running(world, server):
        server.put(vpc())
        await server.until_ready()
        server.disconnect()
        await server.until(lambda: len(server.opened) > 2)
        del world.things["vpc-1"]
        await server.until(lambda: "vpc-1" in world.things)
        assert "-vpc-1" not in world.log
        server.resources.clear()
        server.reconnect()
        await server.until(lambda: not world.things)
        assert server.opened[:2] == [None, server.revision]


async def test_a_deletion_told_while_the_server_is_away_is_told_later() -> None:
    world, server = World(), FakeServer()
    async with running(world, server):
        server.put(vpc())
        await server.until_ready()
        server.delete(VPC)
        server.disconnect()
        await server.until(lambda: not world.things)
        assert VPC in server.resources
        server.reconnect()
        await server.until_gone()


async def test_unknown_kinds_and_unreadable_specs_are_said_and_can_be_deleted() -> None:
    world, server = World(), FakeServer()
    unknown, bad, wrong = Reference("volume", "vol-1"), Reference("vpc", "vpc-2"), Reference("vpc", "vpc-3")
    async with running(world, server):
        server.put(resource("volume", "vol-1", {}), resource("vpc", "vpc-2", {"value": "x"}), vpc(-1, "vpc-3"))
        await server.until(lambda: server.condition(unknown, "Supported") == ("False", "Unsupported"))
        await server.until(lambda: server.condition(bad, "Ready") == ("False", "InvalidSpec"))
        await server.until(lambda: server.condition(wrong, "Ready") == ("False", "InvalidSpec"))
        server.delete(unknown, bad, wrong)
        await server.until_gone()
    assert world.log == []
