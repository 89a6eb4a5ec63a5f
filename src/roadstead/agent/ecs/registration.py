"""Registering as a container instance, and finding the endpoints of the links.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterContainerInstance.html
"""

from __future__ import annotations

import platform
import time
from uuid import uuid4

import msgspec
import structlog

from roadstead import __version__
from roadstead.agent.client import ApiClient, ApiRefused
from roadstead.agent.ecs.identity import IdentityFile
from roadstead.agent.ecs.settings import EcsSettings

log = structlog.get_logger(__name__)

AGENT_VERSION = __version__
AGENT_HASH = "roadstead"
HOST_ATTRIBUTE = "roadstead.host"
RUNTIME_ATTRIBUTE = "roadstead.fargate-runtime"
_ENDPOINT_LIFE = 12 * 3600.0
CAPABILITIES = (
    "com.amazonaws.ecs.capability.ecr-auth",
    "com.amazonaws.ecs.capability.logging-driver.awslogs",
    "com.amazonaws.ecs.capability.logging-driver.json-file",
    "com.amazonaws.ecs.capability.logging-driver.none",
    "com.amazonaws.ecs.capability.task-iam-role",
    "ecs.capability.container-health-check",
    "ecs.capability.container-ordering",
    "ecs.capability.container-restart-policy",
    "ecs.capability.execution-role-awslogs",
    "ecs.capability.execution-role-ecr-pull",
    "ecs.capability.full-sync",
    "ecs.capability.task-cpu-mem-limit",
    "ecs.capability.task-eni",
)
"""What this agent can do, by the names that placement looks for."""
_ARCHITECTURES = {"aarch64": "arm64"}


class _Attribute(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str
    value: str | None = None


class _Instance(msgspec.Struct, frozen=True, rename="camel"):
    container_instance_arn: str
    attributes: tuple[_Attribute, ...] = ()


class _Registered(msgspec.Struct, frozen=True, rename="camel"):
    container_instance: _Instance


class Endpoints(msgspec.Struct, frozen=True, rename="camel"):
    """Where the links go."""

    endpoint: str
    telemetry_endpoint: str = ""


class Registration:
    """The container instance that this agent is."""

    def __init__(self, api: ApiClient, settings: EcsSettings, identity: IdentityFile) -> None:
        self._api = api
        self._settings = settings
        self._identity = identity
        self._endpoints: Endpoints | None = None
        self._endpoints_until = 0.0

    @property
    def arn(self) -> str:
        """The container instance; empty before `register`."""
        return self._identity.value.container_instance_arn

    @property
    def cluster(self) -> str:
        """The cluster by the name that the agent was told."""
        return self._settings.cluster

    @property
    def fargate_runtime(self) -> str:
        """What the control plane said at the last registration, before the first what the settings say."""
        return self._identity.value.fargate_runtime or self._settings.fargate_runtime

    async def register(self) -> None:
        """Register, or register again under the ARN in the checkpoint, and keep what the control plane says of it.

        An instance that the control plane knows no more is registered anew. Raises ApiError.
        """
        known = self.arn if self._identity.value.cluster == self.cluster else ""
        try:
            answer = await self._call(known)
        except ApiRefused as error:
            if not known or error.code not in ("ClientException", "InvalidParameterException"):
                raise
            log.warning("the control plane refuses the old instance", container_instance=known, error=str(error))
            answer = await self._call("")
        instance = answer.container_instance
        given = {each.name: each.value or "" for each in instance.attributes}
        changed = instance.container_instance_arn != self.arn
        self._identity.update(
            cluster=self.cluster,
            container_instance_arn=instance.container_instance_arn,
            timeline=0 if changed else self._identity.value.timeline,
            fargate_runtime=given.get(RUNTIME_ATTRIBUTE, ""),
            client_token="",
        )
        log.info("registered", container_instance=instance.container_instance_arn, cluster=self.cluster)

    def forget(self) -> None:
        """The instance was deregistered: the next registration makes a new one."""
        self._identity.update(container_instance_arn="", timeline=0)

    async def endpoints(self) -> Endpoints:
        """Where the links go; asked for anew after twelve hours or `forget_endpoints`. Raises ApiError."""
        now = time.monotonic()
        if self._endpoints is None or now >= self._endpoints_until:
            self._endpoints = await self._api.call(
                "ecs", "DiscoverPollEndpoint", {"containerInstance": self.arn, "cluster": self.cluster}, Endpoints
            )
            self._endpoints_until = now + _ENDPOINT_LIFE
        return self._endpoints

    def forget_endpoints(self) -> None:
        """A connection failed: the endpoints may have moved."""
        self._endpoints = None

    async def _call(self, known: str) -> _Registered:
        settings = self._settings
        machine = platform.machine()
        attributes = [_Attribute(name) for name in CAPABILITIES]
        attributes += [
            _Attribute("ecs.cpu-architecture", _ARCHITECTURES.get(machine, machine)),
            _Attribute("ecs.os-type", "linux"),
            *(_Attribute(name, value) for name, value in settings.attributes),
        ]
        if settings.host_id:
            attributes.append(_Attribute(HOST_ATTRIBUTE, settings.host_id))
        if settings.availability_zone:
            attributes.append(_Attribute("ecs.availability-zone", settings.availability_zone))
        request: dict[str, object] = {
            "cluster": self.cluster,
            "versionInfo": {
                "agentVersion": AGENT_VERSION,
                "agentHash": AGENT_HASH,
                "dockerVersion": "containerd",
            },
            "totalResources": [
                {"name": "CPU", "type": "INTEGER", "integerValue": settings.cpu_units},
                {"name": "MEMORY", "type": "INTEGER", "integerValue": settings.memory_mib},
                {"name": "PORTS", "type": "STRINGSET", "stringSetValue": []},
                {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []},
            ],
            "attributes": attributes,
        }
        if known:
            request["containerInstanceArn"] = known
        else:
            request["clientToken"] = self._client_token()
        return await self._api.call("ecs", "RegisterContainerInstance", request, _Registered)

    def _client_token(self) -> str:
        """Noted before it is sent: an agent that dies before it knows the answer must not become a second instance, which nobody is."""
        if not self._identity.value.client_token:
            self._identity.update(client_token=str(uuid4()))
        return self._identity.value.client_token
