from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from roadstead.services.ecr.public.aliases import default_alias

ACCOUNTS = st.integers(0, 10**12 - 1).map(lambda number: f"{number:012}")


@given(ACCOUNTS, st.integers(0, 3))
def test_default_aliases_are_aliases(account: str, attempt: int) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]{7}", default_alias(account, attempt))
    assert default_alias(account, attempt) == default_alias(account, attempt)
    assert default_alias(account, attempt) != default_alias(account, attempt + 1)
