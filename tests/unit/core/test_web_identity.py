"""Claims: what is made of them, whatever they are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.core.web_identity import SKEW_SECONDS, BadClaims, Flaw, web_identity

NOW = 1_800_000_000.0
CLAIMS: dict[str, Any] = {"iss": "https://i", "sub": "s", "aud": "a", "iat": NOW - 10, "exp": NOW + 10}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("claims", "keys"),
    [
        ({}, {"aud": "a", "sub": "s"}),
        ({"aud": ["b", "a"]}, {"aud": ("b", "a"), "sub": "s"}),
        ({"aud": "z", "azp": "a"}, {"aud": "a", "oaud": "z", "sub": "s"}),
        ({"amr": ["x", "y"]}, {"aud": "a", "sub": "s", "amr": ("x", "y")}),
        ({"actor": "ann", "other": "x"}, {"aud": "a", "sub": "s", "actor": "ann"}),
        ({"run": 7, "flag": True}, {"aud": "a", "sub": "s", "run": "7", "flag": "true"}),
        ({"email": None, "amr": [1]}, {"aud": "a", "sub": "s"}),
    ],
)
def test_claims_as_condition_keys(claims: dict[str, Any], keys: dict[str, Any]) -> None:
    found = web_identity({**CLAIMS, **claims}, ["a"], NOW, ["actor", "run", "flag"])
    assert (found.subject, found.audience, dict(found.keys)) == ("s", "a", keys)


@pytest.mark.parametrize(
    ("late", "flaw"), [(0, None), (SKEW_SECONDS, None), (SKEW_SECONDS + 1, Flaw.EXPIRED), (10**9, Flaw.EXPIRED)]
)
def test_a_token_counts_five_minutes_longer(late: int, flaw: Flaw | None) -> None:
    claims = {**CLAIMS, "exp": NOW, "iat": NOW - 5}
    if flaw is None:
        web_identity(claims, ["a"], NOW + late)
        return
    with pytest.raises(BadClaims) as caught:
        web_identity(claims, ["a"], NOW + late)
    assert caught.value.flaw is flaw


def test_tags_nested_and_flat_are_the_same() -> None:
    prefix = "https://aws.amazon.com/tags"
    nested = {prefix: {"principal_tags": {"k": ["v"]}, "transitive_tag_keys": ["k"]}}
    flat = {f"{prefix}/principal_tags/k": "v", f"{prefix}/transitive_tag_keys": ["k"]}
    one, other = (web_identity({**CLAIMS, **claims}, ["a"], NOW) for claims in (nested, flat))
    assert one == other
    assert (one.tags, one.transitive) == ({"k": "v"}, ("k",))


@given(st.dictionaries(st.sampled_from([*CLAIMS, "azp", "nbf", "amr", "https://aws.amazon.com/tags"]), anything))
def test_no_claims_are_a_surprise(claims: dict[str, Any]) -> None:
    """Whoever signs can write anything: it is an identity or it is refused."""
    try:
        found = web_identity({**CLAIMS, **claims}, ["a"], NOW)
    except BadClaims:
        return
    assert found.audience == "a"
    assert found.subject
    assert all(isinstance(value, str | tuple) for value in found.keys.values())


@given(st.text(), st.lists(st.text(), max_size=4), st.none() | st.text())
def test_only_a_known_client_is_an_audience(aud: str, clients: list[str], azp: str | None) -> None:
    claims = {**CLAIMS, "aud": aud, **({"azp": azp} if azp is not None else {})}
    wanted = aud if azp is None else azp
    try:
        assert web_identity(claims, clients, NOW).audience == wanted
        assert wanted in clients
    except BadClaims:
        assert wanted not in clients
