"""The plans of VPCs, subnets and interfaces: values in, steps out."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.agent.host.network.interface import interface_target
from roadstead.agent.host.network.objects import (
    Address,
    Bridge,
    Endpoints,
    HostRoute,
    KernelObject,
    Make,
    NameRecord,
    Namespace,
    Permit,
    Port,
    Presence,
    Remove,
    Ruleset,
    Target,
    Uplink,
    steps,
)
from roadstead.agent.host.network.overlap import Conflict, HostFacts, conflict
from roadstead.agent.host.network.rules import replacement
from roadstead.agent.host.network.subnet import subnet_target
from roadstead.agent.host.network.vpc import route_conditions, vpc_cidr, vpc_parts
from roadstead.agent.host.reconcile.model import Desired, Goal
from roadstead.wire.hosts import InterfaceSpec, SubnetSpec, VpcSpec

TAG = "abc123"
SPEC = VpcSpec(cidr="172.31.0.0/16", gateway_port=4566, dns_domain="ec2.internal")
PARTS = vpc_parts(TAG, "vpc-1", SPEC)
SUBNET = SubnetSpec(vpc_id="vpc-1", cidr="172.31.16.0/20", availability_zone="us-east-1a")
INTERFACE = InterfaceSpec(
    vpc_id="vpc-1",
    subnet_id="subnet-1",
    mac_address="0A:00:00:00:00:05",
    private_ip="172.31.16.5",
    hostname="ip-172-31-16-5.ec2.internal",
    attach_to="pool",
)


def everything(target: Target, presence: Presence) -> dict[KernelObject, Presence]:
    return dict.fromkeys((*target.wanted, *target.unwanted), presence)


def test_the_unreachable_route_comes_first_and_the_real_one_last() -> None:
    target = PARTS.target(Goal.PRESENT, None)
    made = [step.thing for step in steps(target, everything(target, Presence.ABSENT))]
    assert made[0] == PARTS.unreachable
    assert made[-1] == PARTS.route
    assert PARTS.route.entry.metric < PARTS.unreachable.entry.metric


def test_rules_stand_before_the_vpc_can_be_reached_or_reach_anything() -> None:
    kinds = [type(thing) for thing in PARTS.target(Goal.PRESENT, None).wanted]
    last_rule = len(kinds) - 1 - kinds[::-1].index(Ruleset)
    assert last_rule < kinds.index(Uplink) < kinds.index(Endpoints)


def test_after_deletion_the_unreachable_route_stays() -> None:
    target = PARTS.target(Goal.ABSENT, None)
    removed = [step.thing for step in steps(target, everything(target, Presence.FITS))]
    assert removed == [PARTS.endpoints, PARTS.route, PARTS.uplink, Namespace("vpc-1")]


def test_with_a_conflict_the_host_gets_no_route_at_all_and_loses_the_ones_it_had() -> None:
    target = PARTS.target(Goal.PRESENT, Conflict("OverlapsHostRoute", ""))
    plan = steps(target, everything(target, Presence.FITS))
    assert plan == (Remove(PARTS.route), Remove(PARTS.unreachable))
    assert not any(isinstance(thing, HostRoute) for thing in target.wanted)


def test_the_unreachable_route_is_left_to_the_vpc_of_the_same_cidr_that_has_the_route() -> None:
    other = vpc_parts(TAG, "vpc-2", SPEC)
    against = conflict(
        PARTS.route.entry.destination, uplink=PARTS.uplink.name, tag=TAG, facts=HostFacts((other.route.entry,))
    )
    assert against is not None
    assert PARTS.unreachable.entry == other.unreachable.entry
    assert PARTS.target(Goal.PRESENT, against).unwanted == (PARTS.route,)
    wider = vpc_parts(TAG, "vpc-2", VpcSpec(cidr="172.31.0.0/17", gateway_port=4566, dns_domain="ec2.internal"))
    hidden = conflict(
        PARTS.route.entry.destination, uplink=PARTS.uplink.name, tag=TAG, facts=HostFacts((wider.route.entry,))
    )
    assert PARTS.unreachable in PARTS.target(Goal.PRESENT, hidden).unwanted, "it would hide a part of the other's"


def test_a_vpcs_own_route_does_not_stand_against_its_unreachable_route() -> None:
    facts = HostFacts((PARTS.route.entry,))
    assert conflict(PARTS.unreachable.entry.destination, uplink=PARTS.unreachable.uplink, tag=TAG, facts=facts) is None


def test_the_condition_says_whether_the_host_can_reach_it() -> None:
    (no,) = route_conditions(Goal.PRESENT, Conflict("OverlapsVpc", "why"))
    assert (no.type, no.status, no.reason, no.message) == ("HostRoute", "False", "OverlapsVpc", "why")
    (yes,) = route_conditions(Goal.PRESENT, None)
    assert yes.status == "True"
    assert route_conditions(Goal.ABSENT, None) == ()


@pytest.mark.parametrize(
    "cidr", ["172.31.0.1/16", "10.0.0.0/8", "10.0.0.0/29", "169.254.0.0/16", "127.0.0.0/16", "224.0.0.0/16", "x", ""]
)
def test_what_is_no_vpc_is_refused(cidr: str) -> None:
    with pytest.raises(ValueError):
        vpc_cidr(cidr)


@pytest.mark.parametrize("vpc_id", ["pool", "vpc-../x", "VPC-1", ""])
def test_a_vpc_takes_no_other_namespace(vpc_id: str) -> None:
    with pytest.raises(ValueError):
        vpc_parts(TAG, vpc_id, SPEC)


def test_a_subnet_is_a_bridge_with_the_router_at_the_first_address() -> None:
    target = subnet_target(TAG, Desired("subnet-1", SUBNET, Goal.PRESENT))
    bridge, address = target.wanted
    assert isinstance(bridge, Bridge)
    assert isinstance(address, Address)
    assert (address.link, address.address) == (bridge.name, "172.31.16.1/20")
    assert subnet_target(TAG, Desired("subnet-1", SUBNET, Goal.ABSENT)).unwanted == (bridge,)


def test_an_interface_may_speak_before_it_exists_and_no_longer_after() -> None:
    wanted = interface_target(TAG, Desired("eni-1", INTERFACE, Goal.PRESENT)).wanted
    assert [type(thing) for thing in wanted] == [Namespace, Permit, Port, NameRecord]
    unwanted = interface_target(TAG, Desired("eni-1", INTERFACE, Goal.ABSENT)).unwanted
    assert [type(thing) for thing in unwanted] == [NameRecord, Port, Permit]
    permit, port = wanted[1], wanted[2]
    assert isinstance(port, Port)
    assert isinstance(permit, Permit)
    assert (permit.port, permit.mac, permit.address) == (port.name, "0a:00:00:00:00:05", IPv4Address("172.31.16.5"))


@pytest.mark.parametrize(
    "change",
    [
        {"mac_address": "0a:00"},
        {"mac_address": "0a:00:00:00:00:05 }; flush ruleset; #"},
        {"private_ip": "172.31.16.5/20"},
        {"private_ip": "::1"},
        {"attach_to": "../../etc"},
        {"vpc_id": "a/b"},
    ],
)
def test_nothing_but_addresses_and_names_reaches_the_kernel(change: dict[str, str]) -> None:
    import msgspec

    with pytest.raises(ValueError):
        interface_target(TAG, Desired("eni-1", msgspec.structs.replace(INTERFACE, **change), Goal.PRESENT))


things: list[KernelObject] = [Namespace(f"n{number}") for number in range(8)]


@given(st.data())
def test_a_plan_reaches_its_target_and_a_second_one_is_empty(data: st.DataObject) -> None:
    order = data.draw(st.permutations(things))
    cut = data.draw(st.integers(0, len(order)))
    target = Target(wanted=tuple(order[:cut]), unwanted=tuple(order[cut:]))
    observed = {thing: data.draw(st.sampled_from(Presence)) for thing in order}
    for step in steps(target, observed):
        match step:
            case Make(thing):
                assert observed[thing] is not Presence.FITS
                observed[thing] = Presence.FITS
            case Remove(thing):
                assert observed[thing] is not Presence.ABSENT
                observed[thing] = Presence.ABSENT
    assert all(observed[thing] is Presence.FITS for thing in target.wanted)
    assert all(observed[thing] is Presence.ABSENT for thing in target.unwanted)
    assert steps(target, observed) == ()


def test_a_ruleset_is_replaced_whole_and_keeps_its_elements() -> None:
    (router, ports) = [thing for thing in PARTS.inside if isinstance(thing, Ruleset)]
    commands = replacement(ports, ("prerouting", "old", "generation-0123456789ab"))
    assert "delete chain bridge rs-abc123 old\n" in commands
    assert "delete chain bridge rs-abc123 generation-0123456789ab\n" in commands
    assert "delete set" not in commands
    assert "delete table" not in commands
    assert f"add chain bridge rs-abc123 {ports.generation}\n" in commands
    assert router.generation != ports.generation
    assert replacement(ports, ("prerouting", ports.generation)).count(ports.generation) == 1 + 2
