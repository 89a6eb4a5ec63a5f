from __future__ import annotations

from datetime import timedelta

from tests.support.context import Cloud
from tests.support.pool import HOST, start_pool

from roadstead.controllers.controller import Shard
from roadstead.controllers.links import links_controller, liveness_lease
from roadstead.services.ecs import api as ecs
from roadstead.services.hosts import api as hosts
from roadstead.store.leases import Lease, LeaseHolder

LONG = timedelta(days=1)


async def lease(cloud: Cloud, name: str, owner: str) -> Lease:
    found = await LeaseHolder(cloud.store, owner).acquire(name, LONG)
    assert found is not None
    return found


async def one_pass(cloud: Cloud) -> None:
    controller = links_controller()
    await controller.pass_(Shard(cloud.store, await lease(cloud, "controller/links", "test")))


async def links(cloud: Cloud) -> set[str]:
    async with cloud.store.snapshot() as tx:
        return await ecs.servers_with_agents(tx) | await hosts.servers_with_hosts(tx)


async def test_only_the_links_of_dead_servers_are_cleared(cloud: Cloud) -> None:
    pool = await start_pool(cloud)
    await cloud.store.run(lambda tx: ecs.agent_connected(tx, pool.arn, server="dead"))
    await cloud.store.run(lambda tx: hosts.host_connected(tx, HOST, server="alive"))
    await lease(cloud, liveness_lease("alive"), "alive")
    await one_pass(cloud)
    assert await links(cloud) == {"alive"}
    described = await cloud.host.call(
        "ecs:DescribeContainerInstances", cluster="fargate", containerInstances=[pool.arn]
    )
    assert described["containerInstances"][0]["agentConnected"] is False


async def test_a_server_that_stopped_has_no_say(cloud: Cloud) -> None:
    pool = await start_pool(cloud)
    held = await lease(cloud, liveness_lease("s"), "s")
    await cloud.store.run(lambda tx: ecs.agent_connected(tx, pool.arn, server="s"))
    await one_pass(cloud)
    assert await links(cloud) == {"s"}
    await held.release()
    await one_pass(cloud)
    assert await links(cloud) == set()


async def test_a_late_goodbye_does_not_undo_a_newer_link(cloud: Cloud) -> None:
    pool = await start_pool(cloud)
    for server in ("old", "new"):
        await cloud.store.run(lambda tx, server=server: ecs.agent_connected(tx, pool.arn, server=server))
        await cloud.store.run(lambda tx, server=server: hosts.host_connected(tx, HOST, server=server))
    await cloud.store.run(lambda tx: ecs.agent_gone(tx, pool.arn, server="old"))
    await cloud.store.run(lambda tx: hosts.host_gone(tx, HOST, server="old"))
    assert await links(cloud) == {"new"}
