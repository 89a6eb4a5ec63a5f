"""Who a container runs as: `user` and `group` names resolved in the image's own /etc/passwd and /etc/group, as Docker does."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_FILE_LIMIT = 4 << 20
_MAX_ID = 2**31 - 1


class UnknownUser(ValueError):
    """The image has no such user or group; the text is what Docker says."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The numbers a process runs with, and its home directory."""

    uid: int = 0
    gid: int = 0
    additional_gids: tuple[int, ...] = ()
    home: str = "/"


@dataclass(frozen=True, slots=True)
class _User:
    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    gid: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Accounts:
    """The users and groups of one image; passwd(5), group(5)."""

    users: tuple[_User, ...] = ()
    groups: tuple[_Group, ...] = ()

    @classmethod
    def parse(cls, passwd: str, group: str) -> Accounts:
        """Read both files; lines that are malformed are left out."""
        users = tuple(
            _User(fields[0], int(fields[2]), int(fields[3]), fields[5])
            for fields in _lines(passwd, 7)
            if fields[2].isdecimal() and fields[3].isdecimal()
        )
        groups = tuple(
            _Group(fields[0], int(fields[2]), tuple(filter(None, fields[3].split(","))))
            for fields in _lines(group, 4)
            if fields[2].isdecimal()
        )
        return cls(users, groups)

    def resolve(self, user: str) -> Identity:
        """The identity for `name|uid[:group|gid]`; an empty text is root. Raises UnknownUser."""
        wanted, _, wanted_group = user.partition(":")
        account = self._user(wanted or "0")
        if account is None and not wanted.isdecimal() and wanted:
            raise UnknownUser(f"unable to find user {wanted}: no matching entries in passwd file")
        uid = account.uid if account else _number(wanted or "0")
        home = (account.home if account else "") or "/"
        if wanted_group:
            return Identity(uid, self._gid(wanted_group), (), home)
        gid = account.gid if account else 0
        name = account.name if account else None
        extra = tuple(sorted({g.gid for g in self.groups if name is not None and name in g.members} - {gid}))
        return Identity(uid, gid, extra, home)

    def _user(self, wanted: str) -> _User | None:
        for user in self.users:
            if user.name == wanted or (wanted.isdecimal() and user.uid == int(wanted)):
                return user
        return None

    def _gid(self, wanted: str) -> int:
        for group in self.groups:
            if group.name == wanted:
                return group.gid
        if wanted.isdecimal():
            return _number(wanted)
        raise UnknownUser(f"unable to find group {wanted}: no matching entries in group file")


def _number(text: str) -> int:
    value = int(text)
    if value > _MAX_ID:
        raise UnknownUser(f"uids and gids must be in range 0-{_MAX_ID}")
    return value


def _lines(text: str, fields: int) -> Iterable[list[str]]:
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) >= fields:
            yield parts


def read_accounts(layers: Iterable[Path]) -> Accounts:
    """Read /etc/passwd and /etc/group from an image's unpacked layers, the topmost first, without mounting them.

    A symbolic link on the way is not followed: it could point out of the image.
    """
    directories = tuple(layers)
    return Accounts.parse(_topmost(directories, "passwd"), _topmost(directories, "group"))


def _topmost(layers: tuple[Path, ...], name: str) -> str:
    for layer in layers:
        etc = layer / "etc"
        try:
            directory = os.open(etc, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue
        except OSError:
            return ""
        try:
            found = _read(directory, name)
            opaque = _opaque(directory)
        finally:
            os.close(directory)
        if found is not None:
            return found
        if opaque:
            return ""
    return ""


def _read(directory: int, name: str) -> str | None:
    """The file's text; "" where it is deleted (a whiteout) or no regular file; None where this layer has nothing."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return file.read(_FILE_LIMIT).decode(errors="replace")


def _opaque(directory: int) -> bool:
    try:
        return os.getxattr(directory, "trusted.overlay.opaque") == b"y"
    except OSError:
        return False
