from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.core.placement.capacity import StrategyItem, distribute
from roadstead.core.placement.choose import choose, why_not
from roadstead.core.placement.model import Candidate, Constraint, Demand, Rejection, Strategy

INSTANCE = Candidate(
    arn="arn:a",
    id="a",
    active=True,
    agent_connected=True,
    cpu_free=1024,
    memory_free=2048,
    ports_used=frozenset({(22, "tcp")}),
    attributes={"ecs.availability-zone": "z1", "x": None},
)
OTHER = replace(INSTANCE, arn="arn:b", id="b", attributes={"ecs.availability-zone": "z2"})
TASK = Demand(cpu=256, memory=512, group="family:web")


def pick(candidates: list[Candidate], demand: Demand) -> str:
    chosen = choose(candidates, demand, tie_break=lambda _: 0)
    assert isinstance(chosen, Candidate)
    return chosen.id


@pytest.mark.parametrize(
    ("instance", "demand", "reason"),
    [
        (INSTANCE, TASK, None),
        (replace(INSTANCE, active=False), TASK, "INACTIVE"),
        (replace(INSTANCE, agent_connected=False), TASK, "AGENT"),
        (INSTANCE, replace(TASK, attributes=frozenset({"y"})), "ATTRIBUTE"),
        (INSTANCE, replace(TASK, attributes=frozenset({"x"})), None),
        (INSTANCE, replace(TASK, values=frozenset({("ecs.availability-zone", "z1")})), None),
        (INSTANCE, replace(TASK, values=frozenset({("ecs.availability-zone", "z2")})), "ATTRIBUTE"),
        (INSTANCE, replace(TASK, values=frozenset({("ecs.os-type", "linux")})), "ATTRIBUTE"),
        (INSTANCE, replace(TASK, cpu=1025), "RESOURCE:CPU"),
        (INSTANCE, replace(TASK, memory=2049), "RESOURCE:MEMORY"),
        (INSTANCE, replace(TASK, ports=frozenset({(22, "tcp")})), "RESOURCE:PORTS"),
        (INSTANCE, replace(TASK, ports=frozenset({(22, "udp")})), None),
        (
            INSTANCE,
            replace(TASK, constraints=(Constraint("memberOf", "attribute:ecs.availability-zone == z2"),)),
            "MemberOf placement constraint unsatisfied.",
        ),
    ],
)
def test_why_not(instance: Candidate, demand: Demand, reason: str | None) -> None:
    assert why_not(instance, demand) == reason


def test_rejections_name_every_instance() -> None:
    rejected = choose([INSTANCE, replace(OTHER, agent_connected=False)], replace(TASK, cpu=9999), tie_break=lambda _: 0)
    assert rejected == [Rejection("arn:a", "RESOURCE:CPU"), Rejection("arn:b", "AGENT")]
    assert choose([], TASK, tie_break=lambda _: 0) == []


def test_spread_goes_where_fewest_of_the_group_are() -> None:
    busy = replace(INSTANCE, task_groups={"family:web": 1, "family:other": 0})
    assert pick([busy, OTHER], TASK) == "b"
    elsewhere = replace(INSTANCE, task_groups={"family:other": 5})
    assert pick([elsewhere, replace(OTHER, task_groups={"family:web": 1})], TASK) == "a"


def test_binpack_goes_where_least_is_free() -> None:
    fuller = replace(OTHER, memory_free=600)
    assert pick([INSTANCE, fuller], replace(TASK, strategies=(Strategy("binpack", "memory"),))) == "b"


def test_distinct_instance() -> None:
    demand = replace(TASK, constraints=(Constraint("distinctInstance"),))
    after = INSTANCE.after(TASK)
    assert pick([after, OTHER], demand) == "b"
    assert isinstance(choose([after], demand, tie_break=lambda _: 0), list)


@given(st.integers(1, 20), st.integers(1, 12))
def test_spread_keeps_instances_within_one_task(tasks: int, instances: int) -> None:
    candidates = {
        str(n): replace(INSTANCE, arn=f"arn:{n}", id=str(n), cpu_free=10**6, memory_free=10**6)
        for n in range(instances)
    }
    for _ in range(tasks):
        id = pick(list(candidates.values()), TASK)
        candidates[id] = candidates[id].after(TASK)
    counts = [each.task_groups.get("family:web", 0) for each in candidates.values()]
    assert max(counts) - min(counts) <= 1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=4), st.integers(1, 10))
def test_distribute_gives_every_task_a_provider_and_bases_first(items: list[tuple[int, int]], count: int) -> None:
    strategy = [StrategyItem(str(n), weight, base) for n, (weight, base) in enumerate(items)]
    chosen = distribute(strategy, count)
    enough = any(item.weight for item in strategy) or sum(item.base for item in strategy) >= count
    assert len(chosen) == (count if enough else 0)
    if enough and sum(item.base for item in strategy) <= count:
        assert all(chosen.count(item.provider) >= item.base for item in strategy)


def test_weights() -> None:
    assert distribute([StrategyItem("a", 3), StrategyItem("b", 1)], 8).count("a") == 6
