"""The AWS profile `roadstead` in the user's own files, one for each account that is made, and no other profile.

Source: https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from roadstead.kernel.people import person_home
from roadstead.server.files import Credentials

NAME = "roadstead"


def write_profile(credentials: Credentials, home: Path | None = None, *, name: str = NAME) -> None:
    """Put endpoint, region and keys under the profile's name; every other line of the files stays as it is, and so does their owner.

    The files are those of whoever typed the command, behind sudo too.
    """
    config, shared = _files(home)
    _replace_section(
        config,
        f"profile {name}",
        {"region": credentials.region, "endpoint_url": credentials.endpoint, "output": "json"},
    )
    _replace_section(
        shared,
        name,
        {
            "aws_access_key_id": credentials.access_key_id,
            "aws_secret_access_key": credentials.secret_access_key,
        },
    )


def has_profile(name: str, home: Path | None = None) -> bool:
    """Whether the files have a profile of this name."""
    config, shared = _files(home)
    sections = ((config, f"profile {name}"), (shared, name))
    return any(path.exists() and _section(section).search(_read(path)) for path, section in sections)


def _files(home: Path | None) -> tuple[Path, Path]:
    folder = (home or person_home()) / ".aws"
    config = Path(os.environ.get("AWS_CONFIG_FILE") or folder / "config")
    return config, Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or folder / "credentials")


def _read(path: Path) -> str:
    """The text of a file; bytes that are not UTF-8 come out again as they were when it is written."""
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def _section(name: str) -> re.Pattern[str]:
    """A section of an INI file, up to the next one."""
    return re.compile(rf"^\[{re.escape(name)}\][^\n]*\n(?:(?!\[).*\n?)*", re.MULTILINE)


def with_section(text: str, section: str, values: dict[str, str]) -> str:
    """`text` of an INI file with one section replaced, or added at the end."""
    body = f"[{section}]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
    pattern = _section(section)
    if pattern.search(text):
        return pattern.sub(lambda _: body, text, count=1)
    separator = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
    return f"{text}{separator}{body}"


def _replace_section(path: Path, section: str, values: dict[str, str]) -> None:
    path = path.resolve()  # a link, as dotfile managers make it, stays one
    _make_folder(path.parent)
    before = _read(path) if path.exists() else ""
    after = with_section(before, section, values)
    if after == before:
        return
    mode, owner = (path.stat().st_mode & 0o777, path.stat()) if path.exists() else (0o600, path.parent.stat())
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(after)
        if os.geteuid() == 0:
            os.fchown(fd, owner.st_uid, owner.st_gid)
    temporary.replace(path)


def _make_folder(folder: Path) -> None:
    """Make a folder that belongs to the owner of the one it lies in, when it is missing."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        owner = folder.parent.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
