from __future__ import annotations

from datetime import timedelta

from tests.support.context import Cloud
from tests.support.pool import register_instance

from roadstead.controllers.controller import Shard
from roadstead.controllers.housekeeping import Chore, housekeeping_controller
from roadstead.store.blobs import StorageUnavailable
from roadstead.store.leases import LeaseHolder


async def test_what_is_over_goes(cloud: Cloud) -> None:
    user = cloud.caller()
    await user.call("ecs:CreateCluster")
    arn = await register_instance(user, "default", cpu=1, memory=1)
    await user.call("ecs:DeregisterContainerInstance", containerInstance=arn)
    cleared: list[str] = []

    async def more(_: Shard) -> int:
        cleared.append("more")
        return 1

    lease = await LeaseHolder(cloud.store, "test").acquire("controller/housekeeping", timedelta(days=1))
    assert lease is not None
    controller = housekeeping_controller(Chore("more", more))
    await controller.pass_(Shard(cloud.store, lease))
    described = await user.call("ecs:DescribeContainerInstances", containerInstances=[arn])
    assert described["containerInstances"][0]["status"] == "INACTIVE"

    cloud.clock.move(timedelta(hours=2))
    await controller.pass_(Shard(cloud.store, lease))
    described = await user.call("ecs:DescribeContainerInstances", containerInstances=[arn])
    assert described["failures"] == [{"arn": arn, "reason": "MISSING"}]
    assert cleared == ["more", "more"]


async def test_a_chore_that_fails_does_not_keep_the_others_from_being_done(cloud: Cloud) -> None:
    done: list[str] = []

    async def fails(_: Shard) -> int:
        raise StorageUnavailable("S3 does not answer")

    async def works(_: Shard) -> int:
        done.append("works")
        return 0

    lease = await LeaseHolder(cloud.store, "test").acquire("controller/housekeeping", timedelta(days=1))
    assert lease is not None
    await housekeeping_controller(Chore("fails", fails), Chore("works", works)).pass_(Shard(cloud.store, lease))
    assert done == ["works"]
