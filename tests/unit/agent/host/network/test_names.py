from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.agent.host.network.names import (
    InvalidName,
    LinkRole,
    check_namespace,
    check_tag,
    link_name,
    link_role,
    route_metric,
    router_mac,
    unreachable_metric,
)

tags = st.integers(0, 0xFFFFFF).map(lambda number: f"{number:06x}")
roles = st.sampled_from(LinkRole)


@given(roles, tags, st.text())
def test_a_link_name_fits_the_kernel_and_tells_its_role_and_tag(role: LinkRole, tag: str, identity: str) -> None:
    name = link_name(role, tag, identity)
    assert len(name) == 15
    assert link_role(tag, name) is role
    other = f"{(int(tag, 16) + 1) % 0x1000000:06x}"
    assert link_role(other, name) is None


@pytest.mark.parametrize("name", ["lo", "eth0", "docker0", "uabc123", "xabc123aaaaaaaa", "uabc123AAAAAAAA"])
def test_other_interfaces_are_not_ours(name: str) -> None:
    assert link_role("abc123", name) is None


def test_five_thousand_interfaces_have_five_thousand_names() -> None:
    assert len({link_name(LinkRole.PORT, "abc123", f"eni-{number:017x}") for number in range(5000)}) == 5000


@pytest.mark.parametrize("name", ["", "..", "a/b", "../x", ".a", "-a", "A", "a b", "a" * 64, "a\n"])
def test_a_namespace_name_is_one_plain_file_name(name: str) -> None:
    with pytest.raises(InvalidName):
        check_namespace(name)


@pytest.mark.parametrize("tag", ["", "abc12", "abc1234", "ABC123", "xyz123", "abc12\n"])
def test_a_tag_is_six_hexadecimal_characters(tag: str) -> None:
    with pytest.raises(InvalidName):
        check_tag(tag)


@given(tags, tags)
def test_metrics_tell_deployments_apart_and_routes_come_before_unreachable(one: str, other: str) -> None:
    assert (route_metric(one) == route_metric(other)) == (one == other)
    assert route_metric(one) < unreachable_metric(other) < 2**32


@given(st.text())
def test_a_router_mac_is_local_and_unicast_and_stays(identity: str) -> None:
    first = int(router_mac(identity).split(":")[0], 16)
    assert first & 0b11 == 0b10
    assert router_mac(identity) == router_mac(identity)
