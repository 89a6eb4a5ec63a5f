from __future__ import annotations

import re

from roadstead.kernel.ids import secret_key


def test_secret_keys_have_the_shape_of_those_of_aws() -> None:
    keys = {secret_key() for _ in range(500)}
    assert len(keys) == 500
    assert all(re.fullmatch("[A-Za-z0-9/+]{40}", key) for key in keys), "and none is taken for an option"
