"""An account with one of everything, each with tags, and an example request for every operation that names what is there.

An example is made from the operation's model: members by their names (`MEMBERS`, for all services and for one), the rest by their shapes.
An operation whose example would make no sense has a line of its own in `EXAMPLES`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape
from tests.support.server import REGION, Account

from roadstead.gateway.models import service_model
from roadstead.services.ecs import api as ecs

TAG, VALUE = "walked", "zzworldvalue"
LOWER = [{"key": TAG, "value": VALUE}]
UPPER = [{"Key": TAG, "Value": VALUE}]
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
ALLOW = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ecs:ListClusters", "Resource": "*"}]}
)
CONFIG = b"{}"
CONFIG_DIGEST = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "size": len(CONFIG),
            "digest": CONFIG_DIGEST,
        },
        "layers": [],
    }
)
PASSWORD = "zzworldPassword-1-of-walk"
DEEPEST = 4


@dataclass(slots=True)
class World:
    """What there is, by the names that requests use for it."""

    admin: Account
    arns: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def members(self, service: str) -> Mapping[str, Any]:
        """Values for members of requests, by the member's name."""
        shared = {"maxResults": 10, "MaxResults": 10, "MaxItems": 10, "limit": 10, "nextToken": None, "NextToken": None}
        own: Mapping[str, Any] = getattr(self, f"_{service.replace('-', '_')}", dict)()
        return {**shared, "Marker": None, "marker": None, "DryRun": None, "registryId": self.admin.id, **own}

    def _ecs(self) -> Mapping[str, Any]:
        return {
            "cluster": "zzworldcluster",
            "clusters": ["zzworldcluster"],
            "clusterName": "zzworldcluster",
            "family": "zzworldfamily",
            "familyPrefix": "zzworldfamily",
            "taskDefinition": "zzworldfamily:1",
            "task": self.arns["task"],
            "tasks": [self.arns["task"]],
            "containerInstance": self.arns["container-instance"],
            "containerInstances": [self.arns["container-instance"]],
            "containerInstanceArn": None,
            "instanceIdentityDocument": None,
            "resourceArn": self.arns["task"],
            "tags": LOWER,
            "tagKeys": [TAG],
            "cpu": "256",
            "memory": "512",
            "taskRoleArn": self.arns["role"],
            "executionRoleArn": self.arns["role"],
            "capacityProviders": ["FARGATE"],
            "capacityProvider": "FARGATE",
            "defaultCapacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}],
            "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}],
            "filter": None,
            "serviceName": None,
        }

    def _ecr(self) -> Mapping[str, Any]:
        return {
            "repositoryName": "zzworldrepository/web",
            "repositoryNames": ["zzworldrepository/web"],
            "imageIds": [{"imageTag": "a"}],
            "imageId": {"imageTag": "a"},
            "imageTag": "a",
            "imageDigest": self.ids["image"],
            "imageManifest": MANIFEST,
            "layerDigest": CONFIG_DIGEST,
            "layerDigests": [CONFIG_DIGEST],
            "credentialArn": None,
            "encryptionConfiguration": None,
            "principalArn": self.arns["role"],
            "uploadId": "00000000-0000-0000-0000-000000000000",
            "resourceArn": self.arns["repository"],
            "registryIds": [self.admin.id],
            "policyText": json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Sid": "walk",
                            "Effect": "Allow",
                            "Principal": {"AWS": f"arn:aws:iam::{self.admin.id}:root"},
                            "Action": "ecr:ListImages",
                        }
                    ],
                }
            ),
            "customRoleArn": self.arns["role"],
            "tags": UPPER,
            "tagKeys": [TAG],
        }

    def _ecr_public(self) -> Mapping[str, Any]:
        text = str(self._ecr()["policyText"]).replace("ecr:ListImages", "ecr-public:DescribeImages")
        return {**self._ecr(), "resourceArn": self.arns["public-repository"], "policyText": text}

    def _iam(self) -> Mapping[str, Any]:
        return {
            "UserName": "zzworlduser",
            "GroupName": "zzworldgroup",
            "RoleName": "zzworldrole",
            "InstanceProfileName": "zzworldprofile",
            "VirtualMFADeviceName": "zzworlddevice2",
            "SerialNumber": self.arns["mfa"],
            "PolicyArn": self.arns["policy"],
            "PermissionsBoundary": self.arns["policy"],
            "Arn": self.arns["user"],
            "PolicySourceArn": self.arns["user"],
            "CallerArn": self.arns["user"],
            "PolicyName": "zzworldinline",
            "PolicyDocument": ALLOW,
            "AssumeRolePolicyDocument": TRUST,
            "AccessKeyId": self.ids["key"],
            "VersionId": "v1",
            "AuthenticationCode1": "123456",
            "AuthenticationCode2": "654321",
            "Password": PASSWORD + "2",
            "OldPassword": PASSWORD,
            "NewPassword": PASSWORD + "3",
            "AWSServiceName": "ecs.amazonaws.com",
            "JobId": self.ids["job"],
            "ServiceNamespace": "ecs",
            "ServiceNamespaces": ["ecs"],
            "DeletionTaskId": f"task/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS/{self.ids['job']}",
            "ActionNames": ["ecs:ListClusters"],
            "PolicyInputList": [ALLOW],
            "PermissionsBoundaryPolicyInputList": None,
            "ServiceControlPolicyInputList": None,
            "ResourcePolicy": None,
            "ResourceOwner": None,
            "ResourceArns": ["*"],
            "ContextEntries": None,
            "ResourceHandlingOption": None,
            "AccountAlias": "zzworldalias",
            "Path": "/",
            "PathPrefix": "/",
            "NewPath": "/",
            "NewUserName": "zzworlduser",
            "NewGroupName": "zzworldgroup",
            "CustomSuffix": None,
            "OpenIDConnectProviderArn": self.arns["oidc-provider"],
            "Url": "http://localhost/zzworldnew",
            "ClientID": "zzworldclient",
            "ClientIDList": ["zzworldclient"],
            "ThumbprintList": ["0" * 40],
            "Tags": UPPER,
            "TagKeys": [TAG],
        }

    def _sts(self) -> Mapping[str, Any]:
        return {
            "RoleArn": self.arns["role"],
            "RoleSessionName": "zzworldsession",
            "Name": "zzworldfederated",
            "PolicyArns": [{"arn": self.arns["policy"]}],
            "Policy": ALLOW,
            "DurationSeconds": 900,
            "TransitiveTagKeys": [TAG],
            "ExternalId": "zzworldexternal",
            "SourceIdentity": "zzworldsource",
            "SerialNumber": None,
            "TokenCode": None,
            "ProvidedContexts": None,
            "ProviderId": None,
            "WebIdentityToken": "e30.e30.e30",
            "AccessKeyId": self.ids["key"],
            "SigningAlgorithm": "ES384",
            "Tags": UPPER,
        }

    def _logs(self) -> Mapping[str, Any]:
        return {
            "logGroupName": "zzworldloggroup",
            "logGroupIdentifier": None,
            "logStreamName": "zzworldlogstream",
            "logStreamNames": ["zzworldlogstream"],
            "logStreamNamePrefix": None,
            "logGroupNamePrefix": "zzworldlog",
            "logGroupNamePattern": None,
            "logEvents": [{"timestamp": int(datetime.now(UTC).timestamp() * 1000), "message": "walked"}],
            "retentionInDays": 7,
            "kmsKeyId": None,
            "entity": None,
            "accountIdentifiers": None,
            "startFromHead": True,
            "logGroupIdentifiers": None,
            "tags": {TAG: VALUE},
            "tagKeys": [TAG],
            "resourceArn": f"arn:aws:logs:{REGION}:{self.admin.id}:log-group:zzworldloggroup",
        }

    def _ec2(self) -> Mapping[str, Any]:
        return {"Filters": None, "GroupNames": None}

    def _roadstead(self) -> Mapping[str, Any]:
        return {
            "accountId": self.admin.id,
            "hostId": "h-zzworldhost",
            "hostIds": None,
            "name": "zzworldalias",
            "registryAlias": "zzworldalias",
        }


EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "ecr:DescribeRepositories": {"maxResults": None},
    "ecr:DescribeImages": {"maxResults": None},
    "ecr-public:DescribeRepositories": {"maxResults": None},
    "ecr-public:DescribeImages": {"maxResults": None},
    "iam:CreateUser": {"UserName": "zzworldnew"},
    "iam:CreateRole": {"RoleName": "zzworldnew"},
    "iam:CreateGroup": {"GroupName": "zzworldnew"},
    "iam:CreatePolicy": {"PolicyName": "zzworldnew"},
    "iam:CreateInstanceProfile": {"InstanceProfileName": "zzworldnew"},
    "logs:UntagLogGroup": {"tags": [TAG]},
}
"""Members that an operation's example has otherwise; None leaves one out."""


def example(world: World, operation: str, *, full: bool = True) -> dict[str, Any]:
    """A request for `service:Operation`: with every member that can be given, or with the required ones only."""
    service, _, name = operation.partition(":")
    shape = service_model(service).operation_model(name).input_shape
    if shape is None:
        return {}
    known = {**world.members(service), **EXAMPLES.get(operation, {})}
    return _structure(shape, known, 0, full=full)


def _structure(shape: StructureShape, known: Mapping[str, Any], depth: int, *, full: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        optional = name not in shape.required_members and not shape.is_tagged_union
        if optional and (not full or depth >= DEEPEST):
            continue
        value = known[name] if name in known and depth == 0 else _value(member, known, name, depth + 1, full=full)
        if value is not None:
            found[name] = value
        if shape.is_tagged_union and found:
            break
    return found


def _value(shape: Shape, known: Mapping[str, Any], name: str, depth: int, *, full: bool) -> Any:
    if isinstance(shape, StructureShape):
        return _structure(shape, known, depth, full=full)
    if isinstance(shape, ListShape):
        return [_value(shape.member, known, name, depth, full=full)]
    if isinstance(shape, MapShape):
        return {"k": _value(shape.value, known, name, depth, full=full)}
    if known.get(name) is not None and isinstance(known[name], str) and shape.type_name == "string":
        return known[name]
    values: list[str] = getattr(shape, "enum", [])
    if values:
        return values[0]
    least = shape.metadata.get("min") or 1
    match shape.type_name:
        case "integer" | "long":
            return least
        case "float" | "double":
            return float(least)
        case "boolean":
            return False
        case "timestamp":
            return datetime(2026, 1, 1, tzinfo=UTC)
        case "blob":
            return b"x"
        case _:
            return "x" * int(least)


def build_world(admin: Account) -> World:
    """Make everything."""
    world = World(admin)
    _build_iam(world)
    _build_ecs(world)
    _build_ecr(world)
    admin.logs.create_log_group(logGroupName="zzworldloggroup", tags={TAG: VALUE})
    admin.logs.create_log_stream(logGroupName="zzworldloggroup", logStreamName="zzworldlogstream")
    now = int(datetime.now(UTC).timestamp() * 1000)
    admin.logs.put_log_events(
        logGroupName="zzworldloggroup",
        logStreamName="zzworldlogstream",
        logEvents=[{"timestamp": now, "message": "zzworldsecret line"}],
    )
    admin.ec2.describe_vpcs()
    return world


def _build_iam(world: World) -> None:
    iam = world.admin.iam
    policy = iam.create_policy(PolicyName="zzworldpolicy", PolicyDocument=ALLOW, Tags=UPPER)["Policy"]["Arn"]
    world.arns["policy"] = policy
    world.arns["user"] = iam.create_user(UserName="zzworlduser", Tags=UPPER, PermissionsBoundary=policy)["User"]["Arn"]
    iam.create_group(GroupName="zzworldgroup")
    iam.add_user_to_group(GroupName="zzworldgroup", UserName="zzworlduser")
    role = iam.create_role(
        RoleName="zzworldrole", AssumeRolePolicyDocument=TRUST, Tags=UPPER, PermissionsBoundary=policy
    )
    world.arns["role"] = role["Role"]["Arn"]
    for kind, name in (("User", "zzworlduser"), ("Group", "zzworldgroup"), ("Role", "zzworldrole")):
        put = getattr(iam, f"put_{kind.lower()}_policy")
        put(**{f"{kind}Name": name}, PolicyName="zzworldinline", PolicyDocument=ALLOW)
    iam.create_instance_profile(InstanceProfileName="zzworldprofile", Tags=UPPER)
    iam.create_login_profile(UserName="zzworlduser", Password=PASSWORD)
    world.ids["key"] = iam.create_access_key(UserName="zzworlduser")["AccessKey"]["AccessKeyId"]
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="zzworlddevice", Tags=UPPER)
    world.arns["mfa"] = device["VirtualMFADevice"]["SerialNumber"]
    provider = iam.create_open_id_connect_provider(
        Url="http://localhost/zzworldprovider", ClientIDList=["zzworldclient"], Tags=UPPER
    )
    world.arns["oidc-provider"] = provider["OpenIDConnectProviderArn"]
    world.ids["job"] = iam.generate_service_last_accessed_details(Arn=world.arns["user"])["JobId"]


def _build_ecs(world: World) -> None:
    client, server = world.admin.ecs, world.admin.server
    client.create_cluster(clusterName="zzworldcluster", tags=LOWER)
    world.arns["cluster"] = f"arn:aws:ecs:{REGION}:{world.admin.id}:cluster/zzworldcluster"
    definition = client.register_task_definition(
        family="zzworldfamily",
        containerDefinitions=[{"name": "app", "image": "zzworldimage:latest", "memory": 64}],
        taskRoleArn=world.arns["role"],
        tags=LOWER,
    )
    world.arns["task-definition"] = definition["taskDefinition"]["taskDefinitionArn"]
    needed = definition["taskDefinition"]["requiresAttributes"]
    instance = client.register_container_instance(
        cluster="zzworldcluster",
        totalResources=[
            {"name": "CPU", "type": "INTEGER", "integerValue": 2048},
            {"name": "MEMORY", "type": "INTEGER", "integerValue": 4096},
        ],
        attributes=[{"name": each["name"]} for each in needed],
        tags=LOWER,
    )["containerInstance"]["containerInstanceArn"]
    world.arns["container-instance"] = instance
    server.run(lambda tx: ecs.agent_connected(tx, instance, server=server.settings.name))
    ran = client.run_task(
        cluster="zzworldcluster", taskDefinition="zzworldfamily", tags=LOWER, startedBy="zzworldstarter"
    )
    assert not ran["failures"], ran
    world.arns["task"] = ran["tasks"][0]["taskArn"]


def _build_ecr(world: World) -> None:
    client = world.admin.ecr
    client.create_repository_creation_template(prefix="zzworldtemplate", appliedFor=["PULL_THROUGH_CACHE"])
    made = client.create_repository(repositoryName="zzworldrepository/web", tags=UPPER)["repository"]
    world.arns["repository"] = made["repositoryArn"]
    public = world.admin.server.client("ecr-public", world.admin.keys)
    shown = public.create_repository(repositoryName="zzworldrepository/web", tags=UPPER)["repository"]
    world.arns["public-repository"] = shown["repositoryArn"]
    upload = client.initiate_layer_upload(repositoryName="zzworldrepository/web")["uploadId"]
    client.upload_layer_part(
        repositoryName="zzworldrepository/web",
        uploadId=upload,
        partFirstByte=0,
        partLastByte=len(CONFIG) - 1,
        layerPartBlob=CONFIG,
    )
    client.complete_layer_upload(repositoryName="zzworldrepository/web", uploadId=upload, layerDigests=[CONFIG_DIGEST])
    image = client.put_image(repositoryName="zzworldrepository/web", imageManifest=MANIFEST, imageTag="a")["image"]
    world.ids["image"] = image["imageId"]["imageDigest"]
