from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.core.network.addresses import (
    default_subnets,
    dns_domain,
    mac_address,
    next_free,
    private_dns_name,
    router,
    usable_addresses,
)

SMALL = IPv4Network("10.0.0.0/28")


def test_default_subnets_are_consecutive() -> None:
    assert default_subnets() == [("a", "172.31.0.0/20"), ("b", "172.31.16.0/20"), ("c", "172.31.32.0/20")]


def test_the_first_four_and_the_last_are_reserved() -> None:
    assert usable_addresses(IPv4Network("172.31.0.0/20")) == 4091
    assert str(router(SMALL)) == "10.0.0.1"
    taken: set[str] = set()
    start = 4
    while (found := next_free(SMALL, start=start, taken=taken)) is not None:
        taken.add(str(found[0]))
        start = found[1]
    assert taken == {f"10.0.0.{last}" for last in range(4, 15)}


@given(st.sets(st.integers(4, 14)), st.integers(4, 14))
def test_a_free_address_is_free(taken: set[int], start: int) -> None:
    found = next_free(SMALL, start=start, taken={f"10.0.0.{last}" for last in taken})
    if len(taken) == 11:
        assert found is None
    else:
        assert found is not None
        assert int(str(found[0]).rsplit(".", 1)[1]) in set(range(4, 15)) - taken
        assert 4 <= found[1] <= 14


def test_an_address_rests_before_it_is_given_again() -> None:
    found = next_free(SMALL, start=5, taken=set())
    assert found is not None
    assert str(found[0]) == "10.0.0.5"


def test_names() -> None:
    assert private_dns_name("172.31.0.4", "us-east-1") == "ip-172-31-0-4.ec2.internal"
    assert private_dns_name("10.0.0.9", "eu-west-1") == "ip-10-0-0-9.eu-west-1.compute.internal"
    assert dns_domain("us-east-1") == "ec2.internal"


def test_mac_is_local_and_unicast() -> None:
    first = int(mac_address(b"\xff" * 5).split(":")[0], 16)
    assert first & 1 == 0
    assert first & 2 == 2
    with pytest.raises(ValueError, match="five"):
        mac_address(b"")
