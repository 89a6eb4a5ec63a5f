from __future__ import annotations

from typing import Any

import pytest
from tests.support.context import OTHER, Cloud

from roadstead.kernel.errors import ServiceError


async def test_the_default_network_is_made_once(cloud: Cloud) -> None:
    user = cloud.caller()
    [vpc] = (await user.call("ec2:DescribeVpcs"))["Vpcs"]
    assert (vpc["CidrBlock"], vpc["IsDefault"], vpc["State"]) == ("172.31.0.0/16", True, "available")
    subnets = (await user.call("ec2:DescribeSubnets"))["Subnets"]
    assert {subnet["AvailabilityZone"]: subnet["CidrBlock"] for subnet in subnets} == {
        "us-east-1a": "172.31.0.0/20",
        "us-east-1b": "172.31.16.0/20",
        "us-east-1c": "172.31.32.0/20",
    }
    assert {subnet["AvailableIpAddressCount"] for subnet in subnets} == {4091}
    assert {subnet["VpcId"] for subnet in subnets} == {vpc["VpcId"]}
    [group] = (await user.call("ec2:DescribeSecurityGroups"))["SecurityGroups"]
    assert group["GroupName"] == "default"
    assert group["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"] == group["GroupId"]
    assert group["IpPermissionsEgress"][0]["IpRanges"] == [{"CidrIp": "0.0.0.0/0"}]
    assert (await user.call("ec2:DescribeVpcs"))["Vpcs"] == [vpc]


async def test_each_account_and_region_has_its_own(cloud: Cloud) -> None:
    callers = [cloud.caller(), cloud.caller(OTHER), cloud.caller(region="eu-central-1")]
    ids = [(await caller.call("ec2:DescribeVpcs"))["Vpcs"][0]["VpcId"] for caller in callers]
    assert len(set(ids)) == 3
    with pytest.raises(ServiceError) as caught:
        await callers[1].call("ec2:DescribeVpcs", VpcIds=[ids[0]])
    assert caught.value.error_code == "InvalidVpcID.NotFound"
    assert caught.value.message == f"The vpc ID '{ids[0]}' does not exist"


async def test_filters(cloud: Cloud) -> None:
    user = cloud.caller()
    [vpc] = (await user.call("ec2:DescribeVpcs", Filters=[{"Name": "is-default", "Values": ["true"]}]))["Vpcs"]

    async def zones(*filters: dict[str, Any]) -> list[str]:
        found = await user.call("ec2:DescribeSubnets", Filters=list(filters))
        return sorted(subnet["AvailabilityZone"][-1] for subnet in found["Subnets"])

    own = {"Name": "vpc-id", "Values": [vpc["VpcId"]]}
    assert await zones(own) == ["a", "b", "c"]
    assert await zones(own, {"Name": "availability-zone", "Values": ["us-east-1a", "*c"]}) == ["a", "c"]
    assert await zones({"Name": "vpc-id", "Values": ["vpc-other"]}) == []
    assert await zones({"Name": "tag:Name", "Values": ["*"]}) == []
    assert await zones({"Name": "availability-zone", "Values": ["us-east-1[ab]"]}) == []
    with pytest.raises(ServiceError, match="The filter 'x' is invalid"):
        await zones({"Name": "x", "Values": ["y"]})


async def test_pages(cloud: Cloud) -> None:
    user = cloud.caller()
    everything = (await user.call("ec2:DescribeSubnets", MaxResults=5))["Subnets"]
    assert len(everything) == 3
    for limit, code in ((4, "InvalidParameterValue"), (1001, "InvalidParameterValue")):
        with pytest.raises(ServiceError) as caught:
            await user.call("ec2:DescribeVpcs", MaxResults=limit)
        assert caught.value.error_code == code
    with pytest.raises(ServiceError, match="The parameter subnetIds cannot be used with the parameter maxResults"):
        await user.call("ec2:DescribeSubnets", SubnetIds=[everything[0]["SubnetId"]], MaxResults=5)
    with pytest.raises(ServiceError) as caught:
        await user.call("ec2:DescribeVpcs", NextToken="made-up")
    assert caught.value.error_code == "InvalidNextToken"


@pytest.mark.parametrize(
    ("operation", "request_", "code", "message"),
    [
        (
            "DescribeVpcs",
            {"VpcIds": ["vpc-12345678"]},
            "InvalidVpcID.NotFound",
            "The vpc ID 'vpc-12345678' does not exist",
        ),
        (
            "DescribeSubnets",
            {"SubnetIds": ["subnet-12345678"]},
            "InvalidSubnetID.NotFound",
            "The subnet ID 'subnet-12345678' does not exist",
        ),
        (
            "DescribeSecurityGroups",
            {"GroupIds": ["sg-12345678"]},
            "InvalidGroup.NotFound",
            "The security group 'sg-12345678' does not exist",
        ),
        (
            "DescribeNetworkInterfaces",
            {"NetworkInterfaceIds": ["eni-12345678"]},
            "InvalidNetworkInterfaceID.NotFound",
            "The networkInterface ID 'eni-12345678' does not exist",
        ),
        (
            "DescribeSecurityGroups",
            {"GroupIds": ["x"]},
            "InvalidGroupId.Malformed",
            'Invalid id: "x" (expecting "sg-...")',
        ),
        ("DescribeVpcs", {"DryRun": True}, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."),
        ("DescribeAvailabilityZones", {"ZoneNames": ["x"]}, "InvalidParameterValue", "Invalid availability zone: [x]"),
    ],
)
async def test_errors(cloud: Cloud, operation: str, request_: dict[str, Any], code: str, message: str) -> None:
    with pytest.raises(ServiceError) as caught:
        await cloud.caller().call(f"ec2:{operation}", **request_)
    assert (caught.value.error_code, caught.value.message) == (code, message)


async def test_groups_by_name(cloud: Cloud) -> None:
    user = cloud.caller()
    found = await user.call("ec2:DescribeSecurityGroups", GroupNames=["default"])
    assert len(found["SecurityGroups"]) == 1
    with pytest.raises(ServiceError, match="does not exist in default VPC"):
        await user.call("ec2:DescribeSecurityGroups", GroupNames=["web"])


async def test_zones(cloud: Cloud) -> None:
    zones = (await cloud.caller().call("ec2:DescribeAvailabilityZones"))["AvailabilityZones"]
    assert [(zone["ZoneName"], zone["ZoneId"]) for zone in zones] == [
        ("us-east-1a", "use1-az1"),
        ("us-east-1b", "use1-az2"),
        ("us-east-1c", "use1-az3"),
    ]
