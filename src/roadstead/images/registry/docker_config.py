"""Passwords that `docker login`, `podman login` and the like have kept: auth.json and config.json, and credential helpers.

Sources: containers-auth.json(5); https://docs.docker.com/reference/cli/docker/login/#credential-helpers
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from roadstead.images.errors import Refused
from roadstead.images.registry.places import bare_host

_HELPER_SECONDS = 60.0
_HUB_NAMES = ("https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io")
_HELPER_NAME = re.compile(r"[A-Za-z0-9._-]+")
_NOT_FOUND = "credentials not found"


class _Auth(msgspec.Struct, frozen=True):
    auth: str = ""
    username: str = ""
    password: str = ""


class _Config(msgspec.Struct, frozen=True, rename="camel"):
    auths: dict[str, _Auth] = {}
    cred_helpers: dict[str, str] = {}
    creds_store: str = ""


class _Answer(msgspec.Struct, frozen=True, rename="pascal"):
    username: str
    secret: str


def config_files(environment: Mapping[str, str]) -> list[Path]:
    """The files in which passwords may be, the first to look at first."""
    home = Path(environment.get("HOME") or "/")
    named = [environment["REGISTRY_AUTH_FILE"]] if environment.get("REGISTRY_AUTH_FILE") else []
    runtime = [f"{environment['XDG_RUNTIME_DIR']}/containers/auth.json"] if environment.get("XDG_RUNTIME_DIR") else []
    docker = environment.get("DOCKER_CONFIG") or str(home / ".docker")
    return [Path(path) for path in (*named, *runtime, f"{docker}/config.json")]


async def kept_authorization(host: str, environment: Mapping[str, str] | None = None) -> str | None:
    """The Basic header of a registry that somebody logged in to; None without one. Raises Refused for files and helpers that fail."""
    names = (
        _HUB_NAMES
        if bare_host(host) in _HUB_NAMES
        else (host, f"https://{host}", f"https://{host}/v1/", f"https://{host}/v2/")
    )
    for path in config_files(environment if environment is not None else os.environ):
        config = await asyncio.to_thread(_read, path)
        if config is None:
            continue
        for name in names:
            auth = config.auths.get(name)
            if auth is not None and (auth.auth or auth.username):
                return _basic(auth, path)
        helper = next((config.cred_helpers[name] for name in names if name in config.cred_helpers), config.creds_store)
        if helper:
            found = await _ask_helper(helper, names[0], path)
            if found is not None:
                return found
    return None


def _read(path: Path) -> _Config | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Config)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise Refused(f"the passwords in {path} can't be read: {error}") from error


def _basic(auth: _Auth, path: Path) -> str:
    if not auth.auth:
        return "Basic " + base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode()
    try:
        base64.b64decode(auth.auth, validate=True)
    except binascii.Error as error:
        raise Refused(f"an entry of {path} is not base64") from error
    return f"Basic {auth.auth}"


async def _ask_helper(helper: str, name: str, path: Path) -> str | None:
    if not _HELPER_NAME.fullmatch(helper):
        raise Refused(f"{path} names a credential helper {helper!r}, which can't be")
    program = f"docker-credential-{helper}"
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise Refused(f"{program}, which {path} names, can't be run: {error.strerror}") from error
    try:
        async with asyncio.timeout(_HELPER_SECONDS):
            output, _ = await process.communicate(name.encode())
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise Refused(f"{program} does not answer") from error
    if process.returncode != 0:
        if _NOT_FOUND in output.decode(errors="replace"):
            return None
        raise Refused(f"{program} failed: {output.decode(errors='replace').strip()[:200]}")
    try:
        answer = msgspec.json.decode(output, type=_Answer)
    except msgspec.DecodeError as error:
        raise Refused(f"{program} answered what can't be read") from error
    return "Basic " + base64.b64encode(f"{answer.username}:{answer.secret}".encode()).decode()
