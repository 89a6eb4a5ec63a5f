"""The AWS profile `roadstead` in the user's own files, and no other profile.

Source: https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from roadstead.server.files import Credentials

NAME = "roadstead"


def write_profile(credentials: Credentials, home: Path | None = None) -> None:
    """Put endpoint, region and keys under the profile's name; every other line of the files stays as it is."""
    folder = (home or Path.home()) / ".aws"
    config = Path(os.environ.get("AWS_CONFIG_FILE") or folder / "config")
    shared = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or folder / "credentials")
    _replace_section(
        config,
        f"profile {NAME}",
        {"region": credentials.region, "endpoint_url": credentials.endpoint, "output": "json"},
    )
    _replace_section(
        shared,
        NAME,
        {
            "aws_access_key_id": credentials.access_key_id,
            "aws_secret_access_key": credentials.secret_access_key,
        },
    )


def with_section(text: str, section: str, values: dict[str, str]) -> str:
    """`text` of an INI file with one section replaced, or added at the end."""
    body = f"[{section}]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
    pattern = re.compile(rf"^\[{re.escape(section)}\][^\n]*\n(?:(?!\[).*\n?)*", re.MULTILINE)
    if pattern.search(text):
        return pattern.sub(lambda _: body, text, count=1)
    separator = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
    return f"{text}{separator}{body}"


def _replace_section(path: Path, section: str, values: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    before = path.read_text() if path.exists() else ""
    after = with_section(before, section, values)
    if after == before:
        return
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "w") as file:
        file.write(after)
    temporary.replace(path)
