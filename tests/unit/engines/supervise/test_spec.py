from __future__ import annotations

from dataclasses import replace

import pytest

from roadstead.engines.supervise.spec import ProcessSpec


@pytest.mark.parametrize(
    "changes",
    [{"argv": ("/x", "y")}, {"environment": {"A": "2"}}, {"revision": "2"}, {"name": "b"}],
)
def test_the_fingerprint_tells_processes_apart(changes: dict[str, object]) -> None:
    spec = ProcessSpec("a", ("/x",), environment={"A": "1"})
    assert replace(spec, **changes).fingerprint != spec.fingerprint  # type: ignore[arg-type]


def test_how_it_is_watched_does_not_make_it_another_process() -> None:
    spec = ProcessSpec("a", ("/x",))
    assert replace(spec, check_every=1.0, stop_timeout=3.0).fingerprint == spec.fingerprint


@pytest.mark.parametrize(("name", "argv"), [("", ("/x",)), ("a/b", ("/x",)), (".a", ("/x",)), ("a", ()), ("a", ("x",))])
def test_what_makes_no_sense_is_refused(name: str, argv: tuple[str, ...]) -> None:
    with pytest.raises(ValueError):
        ProcessSpec(name, argv)
