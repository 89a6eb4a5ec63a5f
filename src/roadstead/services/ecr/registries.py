"""What belongs to a registry as a whole, one for each account and region: its policy and its account settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec
from sqlalchemy import bindparam, insert, select, update

from roadstead.services.ecr.tables import registries, registry_of
from roadstead.store import Lookup, Transaction

_REGISTRY = Lookup(
    select(registries.c.policy, registries.c.settings).where(
        registries.c.account == bindparam("account"), registries.c.region == bindparam("region")
    )
)


class Setting(StrEnum):
    """The account settings of ECR (API reference: PutAccountSetting)."""

    BASIC_SCAN_TYPE_VERSION = "BASIC_SCAN_TYPE_VERSION"
    REGISTRY_POLICY_SCOPE = "REGISTRY_POLICY_SCOPE"
    BLOB_MOUNTING = "BLOB_MOUNTING"


VALUES: Mapping[Setting, tuple[str, ...]] = {
    Setting.BASIC_SCAN_TYPE_VERSION: ("AWS_NATIVE", "CLAIR"),
    Setting.REGISTRY_POLICY_SCOPE: ("V2", "V1"),
    Setting.BLOB_MOUNTING: ("ENABLED", "DISABLED"),
}
"""What each setting can be; the first is what a new registry has. Mounting is on here, which it is not on AWS: it spares uploads."""


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry's policy, the text or None, and the settings that differ from their defaults."""

    policy: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    def setting(self, setting: Setting) -> str:
        """The value of a setting."""
        return self.settings.get(setting, VALUES[setting][0])


_UNCHANGED = Registry()


async def read_registry(tx: Transaction, account: str, region: str) -> Registry:
    """The registry of an account in a region; every account has one."""
    rows = await tx.look_up(_REGISTRY, account=account, region=region)
    if not rows:
        return _UNCHANGED
    policy, settings = rows[0]
    return Registry(policy, msgspec.convert(settings, dict[str, str]))


async def may_mount(tx: Transaction, account: str, region: str) -> bool:
    """Whether layers of one repository of a registry may be mounted into another."""
    return (await read_registry(tx, account, region)).setting(Setting.BLOB_MOUNTING) == "ENABLED"


async def write_registry(tx: Transaction, account: str, region: str, **changes: object) -> None:
    """Change `policy` or `settings` of a registry."""
    if not (
        await tx.execute(update(registries).where(registry_of(registries, account, region)).values(**changes))
    ).rowcount:
        changes.setdefault("settings", dict[str, str]())
        await tx.execute(insert(registries).values(account=account, region=region, **changes))
