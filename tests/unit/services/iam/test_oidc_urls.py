"""Addresses of identity providers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.services.iam.oidc_urls import BadUrl, checked_url, provider_url


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://oidc.eks.us-east-1.amazonaws.com/id/ABC", "oidc.eks.us-east-1.amazonaws.com/id/ABC"),
        ("https://tenant.auth0.com/", "tenant.auth0.com/"),
        ("https://gitlab.example.com:8443", "gitlab.example.com:8443"),
        ("http://127.0.0.1:4566/id/1", "127.0.0.1:4566/id/1"),
        ("http://[::1]:4566", "[::1]:4566"),
        ("http://localhost:4566", "localhost:4566"),
        ("http://169.254.170.3:4566", "169.254.170.3:4566"),
    ],
)
def test_the_name_is_the_address_without_the_scheme(text: str, name: str) -> None:
    found = provider_url(text)
    assert found.name == name
    assert str(found) == text


@pytest.mark.parametrize(
    "text",
    ["http://10.0.0.1", "http://example.com", "https://x?", "https://x#", "https://" + "x" * 250, "https://[x", ""],
)
def test_others_are_refused(text: str) -> None:
    with pytest.raises(BadUrl):
        provider_url(text)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for given_text in (text, f"https://{text}"):
        try:
            assert checked_url(given_text).hostname
            assert str(provider_url(given_text)) == given_text
        except BadUrl:
            continue
