"""Sessions of the tasks' roles, as the control plane sends and refreshes them."""

from __future__ import annotations

from dataclasses import dataclass

from roadstead.agent.client.credentials import Credentials
from roadstead.wire.task import IAMRoleCredentials


@dataclass(frozen=True, slots=True)
class Held:
    """A session and the task it was given for."""

    task_arn: str
    credentials: IAMRoleCredentials


def keys(held: IAMRoleCredentials | None) -> Credentials | None:
    """What is signed with in a session of a role."""
    return held and Credentials(held.access_key_id, held.secret_access_key, held.session_token or None)


class CredentialStore:
    """Application sessions by their id, execution sessions by task. In memory: tasks' records hold them over a restart."""

    def __init__(self) -> None:
        self._application: dict[str, Held] = {}
        self._execution: dict[str, IAMRoleCredentials] = {}

    def put_application(self, task_arn: str, credentials: IAMRoleCredentials | None) -> None:
        """What the task's containers may read from now on."""
        if credentials is not None and credentials.credentials_id:
            self._application[credentials.credentials_id] = Held(task_arn, credentials)

    def put_execution(self, task_arn: str, credentials: IAMRoleCredentials | None) -> None:
        """What the agent uses for the task: registry, logs."""
        if credentials is not None:
            self._execution[task_arn] = credentials

    def application(self, credentials_id: str) -> Held | None:
        """The session of this id."""
        return self._application.get(credentials_id)

    def execution(self, task_arn: str) -> Credentials | None:
        """Keys of the task's execution role."""
        return keys(self._execution.get(task_arn))

    def execution_role(self, task_arn: str) -> str:
        """The ARN of the task's execution role, "" without one."""
        held = self._execution.get(task_arn)
        return held.role_arn if held is not None else ""

    def forget(self, task_arn: str) -> None:
        """The task is gone."""
        self._execution.pop(task_arn, None)
        for identity in [each for each, held in self._application.items() if held.task_arn == task_arn]:
            del self._application[identity]


@dataclass(frozen=True, slots=True)
class ExecutionCredentials:
    """A credential source that follows the refreshes of one task's execution role."""

    store: CredentialStore
    task_arn: str

    def current(self) -> Credentials:
        """The newest keys; raises MissingExecutionRole."""
        found = self.store.execution(self.task_arn)
        if found is None:
            raise MissingExecutionRole("the task definition has no execution role")
        return found


class MissingExecutionRole(Exception):
    """Something needs the execution role and the task has none."""
