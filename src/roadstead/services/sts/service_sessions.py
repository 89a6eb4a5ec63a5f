"""Sessions that a service of the deployment opens for itself, of roles that trust it.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-service.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from roadstead.access.principal import Principal
from roadstead.access.sessions import role_session
from roadstead.core.policy.evaluate import Decision, trusts
from roadstead.kernel.arn import Arn
from roadstead.kernel.ids import access_key_id
from roadstead.services.iam.api import role_by_arn
from roadstead.store import Transaction


class NotAssumable(Exception):
    """A service can't be this role; the text says why."""


async def assumed_by_service(
    tx: Transaction,
    role: Arn,
    service: str,
    *,
    session_name: str,
    now: datetime,
    lasts: timedelta,
    keys: Mapping[str, str] | None = None,
) -> Principal:
    """The session of a role for a service (`ecs-tasks.amazonaws.com`), under a key id of its own; raises NotAssumable.

    `keys` are the condition keys that the trust policy may ask for (`aws:SourceAccount`).
    """
    found = await role_by_arn(tx, role)
    if found is None:
        raise NotAssumable(f"there is no role {role}")
    if trusts(found.trust_policy, "sts:AssumeRole", "Service", service, keys) is not Decision.ALLOWED:
        raise NotAssumable(f"the trust policy of {role} does not let {service} assume it")
    session = role_session(role=role, role_id=found.role_id, session_name=session_name, now=now, expires=now + lasts)
    return replace(session, access_key_id=access_key_id("ASIA", role.account))
