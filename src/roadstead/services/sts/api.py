"""What other parts of the server ask of STS: sessions for what the platform runs, and the rights of credentials."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Literal

from roadstead.access.sealing import Sealer
from roadstead.access.sessions import issue_role_session
from roadstead.core.policy.evaluate import Decision, trusts
from roadstead.kernel.arn import Arn
from roadstead.kernel.clock import Clock
from roadstead.services.iam.api import role_by_arn
from roadstead.services.sts.issuer_keys import IssuerKeys
from roadstead.services.sts.session_rights import check_credentials
from roadstead.services.sts.token_keys import ALGORITHMS, TokenKeys
from roadstead.store import Transaction
from roadstead.wire.task import IAMRoleCredentials

__all__ = [
    "ALGORITHMS",
    "TASKS_SERVICE",
    "TASK_SESSION",
    "IssuerKeys",
    "TaskSessions",
    "TokenKeys",
    "check_credentials",
]

TASK_SESSION = timedelta(hours=6)
TASKS_SERVICE = "ecs-tasks.amazonaws.com"


class TaskSessions:
    """Opens sessions for tasks: six hours long, named after the task, as on AWS."""

    def __init__(self, sealer: Sealer, clock: Clock) -> None:
        self._sealer = sealer
        self._clock = clock

    async def __call__(
        self, tx: Transaction, *, role_arn: str, task_arn: str, role_type: Literal["TaskApplication", "TaskExecution"]
    ) -> IAMRoleCredentials | None:
        """Credentials of the role, or None when it is gone or does not let ecs-tasks.amazonaws.com assume it.

        The id under which the task finds them is a new one; whoever renews a session keeps the old id.
        """
        del role_type  # both kinds of role trust the same service
        arn = Arn.parse(role_arn)
        role = await role_by_arn(tx, arn)
        if (
            role is None
            or trusts(role.trust_policy, "sts:AssumeRole", "Service", TASKS_SERVICE) is not Decision.ALLOWED
        ):
            return None
        now = self._clock.now()
        session = issue_role_session(
            self._sealer,
            role=arn,
            role_id=role.role_id,
            session_name=task_arn.rsplit("/", 1)[-1],
            now=now,
            expires=now + TASK_SESSION,
        )
        return IAMRoleCredentials(
            credentials_id=str(uuid.uuid4()),
            role_arn=role_arn,
            access_key_id=session.access_key_id,
            secret_access_key=session.secret_access_key,
            session_token=session.session_token,
            expiration=session.expiration.isoformat(timespec="seconds").replace("+00:00", "Z"),
        )
