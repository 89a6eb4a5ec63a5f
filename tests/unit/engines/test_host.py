from __future__ import annotations

from roadstead.engines.host import HostFacts, effective_capabilities


def test_the_mask_of_capabilities_is_read() -> None:
    names = effective_capabilities("Name:\tx\nCapEff:\t000001fffeffffff\n")
    assert "CAP_SYS_ADMIN" in names
    assert "CAP_SYS_RESOURCE" not in names
    assert effective_capabilities("CapEff:\t0000000000000000\n") == frozenset()


def test_this_machine() -> None:
    assert HostFacts.read().architecture in {"amd64", "arm64"}
