"""What becomes of every input member of the built operations of CloudWatch Logs and ECS.

Whoever updates the model finds new members here, or the test fails.
"""

from __future__ import annotations

from typing import Any

READ = {
    "logs:CreateLogGroup": "logGroupName tags",
    "logs:CreateLogStream": "logGroupName logStreamName",
    "logs:DeleteLogGroup": "logGroupName",
    "logs:DeleteLogStream": "logGroupName logStreamName",
    "logs:DeleteRetentionPolicy": "logGroupName",
    "logs:DescribeLogGroups": "logGroupNamePrefix logGroupNamePattern logGroupIdentifiers nextToken limit",
    "logs:DescribeLogStreams": (
        "logGroupName logGroupIdentifier logStreamNamePrefix orderBy descending nextToken limit"
    ),
    "logs:FilterLogEvents": (
        "logGroupName logGroupIdentifier logStreamNames logStreamNamePrefix startTime endTime filterPattern nextToken limit"
    ),
    "logs:GetLogEvents": (
        "logGroupName logGroupIdentifier logStreamName startTime endTime nextToken limit startFromHead"
    ),
    "logs:ListTagsForResource": "resourceArn",
    "logs:ListTagsLogGroup": "logGroupName",
    "logs:PutLogEvents": "logGroupName logStreamName logEvents entity",
    "logs:PutRetentionPolicy": "logGroupName retentionInDays",
    "logs:TagLogGroup": "logGroupName tags",
    "logs:TagResource": "resourceArn tags",
    "logs:UntagLogGroup": "logGroupName tags",
    "logs:UntagResource": "resourceArn tagKeys",
    "ecs:CreateCluster": "clusterName tags settings capacityProviders defaultCapacityProviderStrategy",
    "ecs:DeleteCluster": "cluster",
    "ecs:DeregisterContainerInstance": "cluster containerInstance force",
    "ecs:DeregisterTaskDefinition": "taskDefinition",
    "ecs:DescribeClusters": "clusters include",
    "ecs:DescribeContainerInstances": "cluster containerInstances",
    "ecs:DescribeTaskDefinition": "taskDefinition include",
    "ecs:DescribeTasks": "cluster tasks include",
    "ecs:DiscoverPollEndpoint": "",
    "ecs:ListClusters": "nextToken maxResults",
    "ecs:ListContainerInstances": "cluster filter nextToken maxResults status",
    "ecs:ListTagsForResource": "resourceArn",
    "ecs:ListTaskDefinitionFamilies": "familyPrefix status nextToken maxResults",
    "ecs:ListTaskDefinitions": "familyPrefix status sort nextToken maxResults",
    "ecs:ListTasks": (
        "cluster containerInstance family nextToken maxResults startedBy serviceName desiredStatus launchType"
    ),
    "ecs:RegisterContainerInstance": (
        "cluster instanceIdentityDocument totalResources versionInfo containerInstanceArn attributes tags clientToken"
    ),
    "ecs:StopTask": "cluster task reason",
    "ecs:SubmitAttachmentStateChanges": "cluster attachments",
    "ecs:SubmitContainerStateChange": (
        "cluster task containerName runtimeId status exitCode reason networkBindings"
    ),
    "ecs:SubmitTaskStateChange": (
        "cluster task status reason containers attachments managedAgents pullStartedAt pullStoppedAt executionStoppedAt"
    ),
    "ecs:TagResource": "resourceArn tags",
    "ecs:UntagResource": "resourceArn tagKeys",
}  # fmt: skip
REFUSED: dict[str, dict[str, Any]] = {
    "logs:CreateLogGroup": {
        "kmsKeyId": "arn:aws:kms:us-east-1:000000000000:key/k",
        "logGroupClass": "INFREQUENT_ACCESS",
        "deletionProtectionEnabled": True,
    },
    "logs:DescribeLogGroups": {
        "accountIdentifiers": ["000000000000"],
        "includeLinkedAccounts": True,
        "logGroupClass": "DELIVERY",
    },
    "logs:FilterLogEvents": {"startFromHead": False, "unmask": True},
    "logs:GetLogEvents": {"unmask": True},
    "ecs:CreateCluster": {"configuration": {"managedStorageConfiguration": {"kmsKeyId": "k"}}},
    "ecs:DescribeContainerInstances": {"include": ["TAGS", "CONTAINER_INSTANCE_HEALTH"]},
    "ecs:ListTasks": {"daemonName": "d"},
}
"""With a value that is refused; others may do, as a default that is given explicitly does."""
IGNORED = {
    "logs:FilterLogEvents": {"interleaved": "on AWS too, since 2019"},
    "logs:PutLogEvents": {"sequenceToken": "on AWS too, since 2023"},
    "ecs:CreateCluster": {"serviceConnectDefaults": "kept; only services read it, which are not built"},
    "ecs:DiscoverPollEndpoint": dict.fromkeys(("cluster", "containerInstance", "zoneId"), "one server is for all"),
    "ecs:RegisterContainerInstance": {
        "platformDevices": "GPUs, which RunTask refuses by name; the instance is good for other tasks",
        "instanceIdentityDocumentSignature": "the request's own signature says whose the instance is",
        "softwareManifest": "agents send it unasked, and no operation shows it",
    },
}
ELSEWHERE = {"ecs:RegisterTaskDefinition", "ecs:RunTask"}
"""These have a table of their own, which goes deeper: tests/unit/core/taskdef/members.py."""
