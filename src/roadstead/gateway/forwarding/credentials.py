"""The keys that upstreams know us by: from the configuration, the environment, or a profile."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import Any, Protocol

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from roadstead.gateway.forwarding.settings import UpstreamSettings
from roadstead.kernel.people import person_home


@dataclass(frozen=True, slots=True)
class UpstreamKeys:
    """An access key; `token` is set for a session's."""

    access_key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


class NoKeys(Exception):
    """There are no credentials where they should come from; the text says where that is."""


class KeySource(Protocol):
    """Where keys come from."""

    async def current(self) -> UpstreamKeys:
        """The keys to sign with now; raises NoKeys."""
        ...


class FixedKeys:
    """Keys that stay."""

    def __init__(self, keys: UpstreamKeys) -> None:
        self._keys = keys

    async def current(self) -> UpstreamKeys:
        """The keys."""
        return self._keys


class ProfileKeys:
    """A profile's, as the AWS SDKs resolve it: static, by another role, by a process, by single sign-on; renewed before they expire."""

    def __init__(self, profile: str, credentials: Any) -> None:
        self._profile = profile
        self._credentials = credentials

    async def current(self) -> UpstreamKeys:
        """The keys; raises NoKeys."""
        try:
            frozen = await asyncio.to_thread(self._credentials.get_frozen_credentials)
        except (BotoCoreError, ClientError) as error:  # the second one where STS or the sign-on service refuses
            raise NoKeys(f"the profile {self._profile} gives no credentials: {error}") from error
        return UpstreamKeys(frozen.access_key, frozen.secret_key, frozen.token)


def key_source(settings: UpstreamSettings) -> KeySource:
    """Where an upstream's keys come from; raises NoKeys when there are none."""
    if settings.access_key_id and settings.secret_access_key:
        return FixedKeys(UpstreamKeys(settings.access_key_id, settings.secret_access_key, settings.session_token))
    if settings.profile is not None:
        return _of_profile(settings.profile)
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret:
        raise NoKeys("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not in the server's environment")
    return FixedKeys(UpstreamKeys(key, secret, os.environ.get("AWS_SESSION_TOKEN") or None))


def _of_profile(profile: str) -> KeySource:
    session: Any = botocore.session.Session(profile=profile)
    folder = person_home() / ".aws"
    session.set_config_variable("config_file", os.environ.get("AWS_CONFIG_FILE", str(folder / "config")))
    session.set_config_variable(
        "credentials_file", os.environ.get("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
    )
    try:
        credentials = session.get_credentials()
    except BotoCoreError as error:
        raise NoKeys(f"the profile {profile} can't be used: {error}") from error
    if credentials is None:
        raise NoKeys(f"the profile {profile} has no credentials")
    if hasattr(credentials, "refresh_needed"):
        return ProfileKeys(profile, credentials)
    return FixedKeys(UpstreamKeys(credentials.access_key, credentials.secret_key, credentials.token))
