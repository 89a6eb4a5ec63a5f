from __future__ import annotations

from datetime import timedelta

from tests.support.context import Cloud
from tests.support.pool import register_instance

from roadstead.controllers.controller import Shard
from roadstead.controllers.housekeeping import Chore, housekeeping_controller
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
