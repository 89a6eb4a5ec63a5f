from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.images.errors import InvalidReference
from roadstead.images.references import Reference, local_name

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("web", Reference(None, "web")),
        ("apps/web:1", Reference(None, "apps/web", "1")),
        (f"web@{DIGEST}", Reference(None, "web", None, DIGEST)),
        (f"web:1@{DIGEST}", Reference(None, "web", "1", DIGEST)),
        ("localhost/web", Reference("localhost", "web")),
        ("localhost:4566/a/b:c", Reference("localhost:4566", "a/b", "c")),
        ("[::1]:5000/web", Reference("[::1]:5000", "web")),
        ("docker.io/busybox:1", Reference("docker.io", "library/busybox", "1")),
        ("ghcr.io/a/b", Reference("ghcr.io", "a/b")),
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/x:1",
            Reference("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "x", "1"),
        ),
    ],
)
def test_references(text: str, reference: Reference) -> None:
    assert Reference.parse(text) == reference
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    "text", ["", "Web", "web:", "a//b", "../x", "web@sha256:1", "web:..", "a/../b", "web:1:2", "ho st.x/a", "web@"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(InvalidReference, match="is no image reference"):
        Reference.parse(text)


@given(st.text(max_size=80))
def test_every_text_is_a_reference_or_not(text: str) -> None:
    try:
        found = Reference.parse(text)
    except InvalidReference:
        return
    assert ".." not in found.repository.split("/")
    assert Reference.parse(str(found)) == found


@pytest.mark.parametrize(
    ("full", "expected"),
    [
        ("docker.io/library/web:1", ("web", "1")),
        ("docker.io/me/web:1", ("me/web", "1")),
        ("localhost:5000/web:1", ("web", "1")),
        ("web:1", ("web", "1")),
        ("latest", (None, "latest")),
        ("not a name", (None, None)),
    ],
)
def test_names_in_archives(full: str, expected: tuple[str | None, str | None]) -> None:
    assert local_name(full) == expected
