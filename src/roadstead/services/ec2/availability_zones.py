"""DescribeAvailabilityZones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from roadstead.services.ec2.describe import Field, keep, refuse_dry_run, region_key
from roadstead.services.ec2.errors import InvalidParameterValue
from roadstead.services.ec2.zones import zone_id, zone_names
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import DescribeAvailabilityZonesRequestTypeDef

Shape = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone of a region."""

    region: str
    name: str
    id: str


_FIELDS: dict[str, Field[Zone]] = {
    "zone-name": lambda zone: [zone.name],
    "zone-id": lambda zone: [zone.id],
    "region-name": lambda zone: [zone.region],
    "group-name": lambda zone: [f"{zone.region}-zg-1"],
    "state": lambda _: ["available"],
    "opt-in-status": lambda _: ["opt-in-not-required"],
    "zone-type": lambda _: ["availability-zone"],
}


@operation("ec2:DescribeAvailabilityZones", keys=region_key, reads=True)
async def describe_availability_zones(ctx: Context, request: DescribeAvailabilityZonesRequestTypeDef) -> Shape:
    """The region's zones."""
    refuse_dry_run(cast("Shape", request))
    zones = [Zone(ctx.region, name, zone_id(ctx.region, name[-1])) for name in zone_names(ctx.region)]
    for member, names in (("ZoneNames", {zone.name for zone in zones}), ("ZoneIds", {zone.id for zone in zones})):
        wanted: list[str] = cast("Shape", request).get(member) or []
        unknown = sorted(set(wanted) - names)
        if unknown:
            raise InvalidParameterValue(f"Invalid availability zone: [{unknown[0]}]")
        if wanted:
            zones = [zone for zone in zones if zone.name in wanted or zone.id in wanted]
    filters = cast("list[Shape]", request.get("Filters") or [])
    return {"AvailabilityZones": [_view(zone) for zone in keep(zones, filters, _FIELDS)]}


def _view(zone: Zone) -> Shape:
    return {
        "ZoneName": zone.name,
        "ZoneId": zone.id,
        "RegionName": zone.region,
        "GroupName": f"{zone.region}-zg-1",
        "NetworkBorderGroup": zone.region,
        "OptInStatus": "opt-in-not-required",
        "ZoneType": "availability-zone",
        "State": "available",
        "Messages": [],
    }
