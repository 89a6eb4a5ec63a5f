"""What other parts of the server ask of STS: sessions for what the platform runs, and the rights of credentials."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Literal

from roadstead.access.sealing import Sealer
from roadstead.access.sessions import issue_session
from roadstead.kernel.arn import Arn
from roadstead.kernel.clock import Clock
from roadstead.services.sts.issuer_keys import IssuerKeys
from roadstead.services.sts.service_sessions import NotAssumable, assumed_by_service
from roadstead.services.sts.session_rights import check_credentials
from roadstead.services.sts.token_keys import ALGORITHMS, TokenKeys
from roadstead.store import Transaction
from roadstead.wire.task import IAMRoleCredentials

__all__ = [
    "ALGORITHMS",
    "TASKS_SERVICE",
    "TASK_SESSION",
    "IssuerKeys",
    "NotAssumable",
    "TaskSessions",
    "TokenKeys",
    "assumed_by_service",
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
        try:
            principal = await assumed_by_service(
                tx,
                arn,
                TASKS_SERVICE,
                session_name=task_arn.rsplit("/", 1)[-1],
                now=self._clock.now(),
                lasts=TASK_SESSION,
            )
        except NotAssumable:
            return None
        session = issue_session(self._sealer, principal)
        return IAMRoleCredentials(
            credentials_id=str(uuid.uuid4()),
            role_arn=role_arn,
            access_key_id=session.access_key_id,
            secret_access_key=session.secret_access_key,
            session_token=session.session_token,
            expiration=session.expiration.isoformat(timespec="seconds").replace("+00:00", "Z"),
        )
