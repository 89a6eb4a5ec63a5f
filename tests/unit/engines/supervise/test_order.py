from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.engines.supervise.order import InvalidOrder, dependents, start_order


@given(st.integers(1, 12).flatmap(lambda n: st.lists(st.sets(st.integers(0, n)), min_size=n, max_size=n)))
def test_each_comes_after_what_it_needs(needs: list[set[int]]) -> None:
    graph = {str(i): [str(j) for j in needed if j < i] for i, needed in enumerate(needs)}
    order = start_order(graph)
    assert sorted(order) == sorted(graph)
    assert all(order.index(needed) < order.index(name) for name in graph for needed in graph[name])


def test_a_circle_is_named() -> None:
    with pytest.raises(InvalidOrder, match="circle"):
        start_order({"a": ["b"], "b": ["a"]})


def test_an_unknown_dependency_is_named() -> None:
    with pytest.raises(InvalidOrder, match="a depends on x"):
        start_order({"a": ["x"]})


def test_dependents_is_the_inverse() -> None:
    assert dependents({"a": [], "b": ["a"], "c": ["a", "b"]}) == {"a": ("b", "c"), "b": ("c",), "c": ()}
