from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.support.context import OTHER, Cloud

from roadstead.kernel.errors import AccessDeniedException
from roadstead.kernel.settings import INTERNAL_ACCOUNT
from roadstead.services.hosts import api as hosts
from roadstead.services.hosts.errors import HostNotFoundException, InvalidParameterException
from roadstead.wire.hosts import ChangeFrame, Frame, Kind, ListFrame, RemovedFrame, SubnetSpec, VpcSpec

HOST: dict[str, Any] = {
    "hostId": "h1",
    "hostname": "box",
    "capacity": {"cpu": 2048, "memory": 4096},
    "bootId": "b1",
    "version": "1",
}


async def put(cloud: Cloud, id: str = "subnet-1", cidr: str = "10.0.0.0/24") -> int:
    spec = SubnetSpec(vpc_id="vpc-1", cidr=cidr, availability_zone="a")
    return await cloud.store.run(
        lambda tx: hosts.put_resource(tx, kind=Kind.SUBNET, id=id, host="h1", account="0", region="r", spec=spec)
    )


async def remove(cloud: Cloud, id: str = "subnet-1") -> None:
    await cloud.store.run(lambda tx: hosts.request_deletion(tx, kind=Kind.SUBNET, id=id))


async def since(cloud: Cloud, revision: int | None) -> list[Frame]:
    async with cloud.store.snapshot() as tx:
        return await hosts.changes_since(tx, "h1", revision)


def status(id: str = "subnet-1", **more: Any) -> dict[str, Any]:
    return {"kind": "subnet", "id": id, "observedGeneration": 1, **more}


async def test_registering_twice_keeps_the_host(cloud: Cloud) -> None:
    assert await cloud.host.call("roadstead:RegisterHost", **HOST) == {"hostId": "h1", "revision": 0}
    await put(cloud)
    assert (await cloud.host.call("roadstead:RegisterHost", **{**HOST, "bootId": "b2"}))["revision"] == 1
    [host] = (await cloud.host.call("roadstead:DescribeHosts"))["hosts"]
    assert (host["bootId"], host["status"], host["capacity"]) == ("b2", "DISCONNECTED", HOST["capacity"])
    await cloud.store.run(lambda tx: hosts.host_connected(tx, "h1", server="s"))
    assert (await cloud.host.call("roadstead:DescribeHosts"))["hosts"][0]["status"] == "CONNECTED"


async def test_what_a_resource_is_already_changes_nothing(cloud: Cloud) -> None:
    await cloud.host.call("roadstead:RegisterHost", **HOST)
    spec = VpcSpec(cidr="10.0.0.0/16", gateway_port=4566, dns_domain="d", registry_hosts=("a", "b"))
    revisions = [
        await cloud.store.run(
            lambda tx: hosts.put_resource(tx, kind=Kind.VPC, id="vpc-1", host="h1", account="0", region="r", spec=spec)
        )
        for _ in range(2)
    ]
    assert revisions == [1, 1]
    assert await since(cloud, 1) == []


async def test_a_host_belongs_to_who_registered_it(cloud: Cloud) -> None:
    await cloud.host.call("roadstead:RegisterHost", **HOST)
    other = cloud.caller(INTERNAL_ACCOUNT, name="other")
    requests: list[tuple[str, dict[str, Any]]] = [
        ("RegisterHost", HOST),
        ("ListHostResources", {"hostId": "h1"}),
        ("UpdateHostResourceStatus", {"hostId": "h1", "statuses": [status()]}),
    ]
    for operation, request in requests:
        with pytest.raises(HostNotFoundException):
            await other.call(f"roadstead:{operation}", **request)


async def test_no_account_but_the_internal_one_has_hosts(cloud: Cloud) -> None:
    with pytest.raises(AccessDeniedException):
        await cloud.caller().call("roadstead:RegisterHost", **HOST)
    with pytest.raises(AccessDeniedException):
        await cloud.caller(OTHER).call("roadstead:DescribeHosts")
    assert await cloud.caller().call("roadstead:DescribeHosts") == {"hosts": []}


async def test_revisions_generations_and_resuming(cloud: Cloud) -> None:
    await cloud.host.call("roadstead:RegisterHost", **HOST)
    assert await put(cloud) == 1
    assert await put(cloud) == 1
    assert await put(cloud, cidr="10.0.1.0/24") == 2
    assert await put(cloud, "subnet-2") == 3
    [everything] = await since(cloud, None)
    assert isinstance(everything, ListFrame)
    assert everything.revision == 3
    assert [(each.id, each.generation) for each in everything.resources] == [("subnet-1", 2), ("subnet-2", 1)]
    [change] = await since(cloud, 2)
    assert isinstance(change, ChangeFrame)
    assert change.resource.id == "subnet-2"
    assert await since(cloud, 3) == []
    [list_again] = await since(cloud, 99)
    assert isinstance(list_again, ListFrame)


async def test_only_the_host_finalizes(cloud: Cloud) -> None:
    await cloud.host.call("roadstead:RegisterHost", **HOST)
    await put(cloud)
    with pytest.raises(InvalidParameterException, match="still wanted"):
        await cloud.host.call("roadstead:UpdateHostResourceStatus", hostId="h1", statuses=[status(finalized=True)])
    await remove(cloud)
    await remove(cloud)
    [change] = await since(cloud, 1)
    assert isinstance(change, ChangeFrame)
    assert change.resource.deletion_requested
    with pytest.raises(hosts.ResourceIsGoing):
        await put(cloud)
    await cloud.host.call("roadstead:UpdateHostResourceStatus", hostId="h1", statuses=[status(finalized=True)])
    await cloud.host.call("roadstead:UpdateHostResourceStatus", hostId="h1", statuses=[status(finalized=True)])
    assert await since(cloud, 2) == [RemovedFrame(revision=3, kind="subnet", id="subnet-1")]

    cloud.clock.move(timedelta(hours=1, seconds=1))
    assert await cloud.store.run(hosts.trim_tombstones) == 1
    [list_again] = await since(cloud, 2)
    assert isinstance(list_again, ListFrame)
    assert await since(cloud, 3) == []


async def test_observed(cloud: Cloud) -> None:
    await cloud.host.call("roadstead:RegisterHost", **HOST)
    await put(cloud)
    ready = status(conditions=[{"type": "Ready", "status": "True"}], bootId="b1", observed=json.dumps({"x": 1}))
    async with cloud.store.snapshot() as tx:
        assert await hosts.resource_status(tx, kind="subnet", id="subnet-1") is None
    await cloud.host.call("roadstead:UpdateHostResourceStatus", hostId="h1", statuses=[ready])
    async with cloud.store.snapshot() as tx:
        observed = await hosts.resource_status(tx, kind="subnet", id="subnet-1")
        assert await hosts.is_ready(tx, kind="subnet", id="subnet-1")
    assert observed is not None
    assert observed.boot_id == "b1"
    with pytest.raises(InvalidParameterException, match="JSON"):
        await cloud.host.call("roadstead:UpdateHostResourceStatus", hostId="h1", statuses=[status(observed="{")])


async def test_listing_in_pages(cloud: Cloud) -> None:
    await cloud.host.call("roadstead:RegisterHost", **HOST)
    for number in range(3):
        await put(cloud, f"subnet-{number}")
    first = await cloud.host.call("roadstead:ListHostResources", hostId="h1", maxResults=2)
    second = await cloud.host.call(
        "roadstead:ListHostResources", hostId="h1", maxResults=2, nextToken=first["nextToken"]
    )
    ids = [each["id"] for each in first["resources"] + second["resources"]]
    assert ids == ["subnet-0", "subnet-1", "subnet-2"]
    assert json.loads(first["resources"][0]["spec"])["vpcId"] == "vpc-1"
    none = await cloud.host.call("roadstead:ListHostResources", hostId="h1", kinds=["vpc"])
    assert none["resources"] == []
