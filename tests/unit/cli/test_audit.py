from __future__ import annotations

from pathlib import Path

import pytest

from roadstead.audit.settings import FOLDER
from roadstead.cli.audit import audit
from roadstead.cli.failure import CommandFailed


@pytest.mark.parametrize("since", ["yesterday", "999999d", "0001-01-01T00:00:00+05:00"])
def test_a_time_that_there_is_none_of_is_told(tmp_path: Path, since: str):
    (tmp_path / FOLDER).mkdir()
    with pytest.raises(CommandFailed, match="neither an age"):
        audit(data=tmp_path, since=since)
