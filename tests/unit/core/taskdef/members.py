"""What becomes of every member of RegisterTaskDefinition and RunTask, and which test shows it.

A member that is not in the table is looked up by its own members. Whoever updates the model finds new members here, or the test fails.
"""

from __future__ import annotations

SETTINGS = "system/tasks/test_settings.py::test_"
CONTAINERS = "system/tasks/test_containers.py::test_"
SLICE = "system/tasks/test_slice.py::test_"
FAILURES = "system/tasks/test_failures_to_start.py::test_"
FARGATE_TASK = "service/ecs/test_fargate_task.py::test_"
REGISTRATION = "unit/core/taskdef/test_registration.py::test_"
DEFINITIONS = "service/ecs/test_task_definitions.py::test_"
INSTANCES = "service/ecs/test_container_instances.py::test_"
AGENT = "unit/agent/ecs/test_launch.py::test_"
RUNTIME = "system/runtime/test_containers.py::test_"
CHOOSE = "unit/core/placement/test_choose.py::test_"
HERE = "unit/core/taskdef/test_unbuilt.py::test_"
RUN = "service/ecs/test_unbuilt.py::test_"

AWSVPC_REFUSES = f"{REGISTRATION}what_containers_that_share_an_interface_can_not_have"
FARGATE_REFUSES = f"{REGISTRATION}refusals"
UNBUILT = f"{HERE}what_is_not_built_is_named"
UNBUILT_RUN = f"{HERE}what_run_task_may_not_ask_for"

CONTAINER = {
    "name": f"{REGISTRATION}refusals",
    "image": f"{SLICE}a_task_from_its_image_to_its_end",
    "repositoryCredentials": f"{FAILURES}what_the_agent_refuses_in_words",
    "cpu": f"{AGENT}a_container_becomes_a_specification",
    "memory": f"{SETTINGS}the_tasks_size_can_be_overridden_and_is_a_limit",
    "memoryReservation": f"{AGENT}a_container_becomes_a_specification",
    "links": AWSVPC_REFUSES,
    "portMappings": f"{SLICE}a_task_from_its_image_to_its_end",
    "essential": "system/tasks/test_ends.py::test_the_end_of_another_container_does_not",
    "restartPolicy": "system/tasks/test_restarts.py::test_an_exit_code_that_is_ignored_ends_the_container",
    "entryPoint": f"{SETTINGS}entry_point_and_command",
    "command": f"{SETTINGS}entry_point_and_command",
    "environment": f"{SETTINGS}overrides_change_this_task_alone",
    "environmentFiles": UNBUILT,
    "mountPoints": f"{CONTAINERS}they_share_localhost_and_a_volume",
    "volumesFrom": f"{CONTAINERS}mounts_of_another_container_are_taken_over",
    "linuxParameters.capabilities": f"{AGENT}a_container_becomes_a_specification",
    "linuxParameters.devices": FARGATE_REFUSES,
    "linuxParameters.initProcessEnabled": "unit/agent/runtime/test_pure_parts.py::test_privileged_and_init",
    "linuxParameters.sharedMemorySize": FARGATE_REFUSES,
    "linuxParameters.tmpfs": f"{SETTINGS}a_mount_in_memory_has_its_size",
    "linuxParameters.maxSwap": FARGATE_REFUSES,
    "linuxParameters.swappiness": FARGATE_REFUSES,
    "secrets": f"{FAILURES}what_the_agent_refuses_in_words",
    "dependsOn": f"{CONTAINERS}one_starts_when_another_has_ended",
    "startTimeout": f"{CONTAINERS}an_unhealthy_dependency_is_not_waited_for_for_ever",
    "stopTimeout": f"{SLICE}stopping_asks_first_and_kills_after_the_stop_timeout",
    # A tag is resolved once for each task: between tasks of RunTask there is nothing to be consistent with.
    "versionConsistency": f"{DEFINITIONS}what_only_services_read_is_kept",
    "hostname": AWSVPC_REFUSES,
    "user": f"{SETTINGS}user_directory_limits_and_a_read_only_root",
    "workingDirectory": f"{SETTINGS}user_directory_limits_and_a_read_only_root",
    "disableNetworking": AWSVPC_REFUSES,
    "privileged": FARGATE_REFUSES,
    "readonlyRootFilesystem": f"{SETTINGS}user_directory_limits_and_a_read_only_root",
    "dnsServers": AWSVPC_REFUSES,
    "dnsSearchDomains": AWSVPC_REFUSES,
    "extraHosts": AWSVPC_REFUSES,
    "dockerSecurityOptions": FARGATE_REFUSES,
    "interactive": UNBUILT,
    "pseudoTerminal": UNBUILT,
    "dockerLabels": f"{AGENT}a_container_becomes_a_specification",
    "ulimits": f"{SETTINGS}user_directory_limits_and_a_read_only_root",
    "logConfiguration.logDriver": UNBUILT,
    "logConfiguration.options": f"{FAILURES}a_log_option_that_is_not_built",
    "logConfiguration.secretOptions": UNBUILT,
    "healthCheck": f"{CONTAINERS}health_is_checked_told_and_waited_for",
    "systemControls": f"{SETTINGS}kernel_parameters_are_set_or_refused",
    "resourceRequirements": UNBUILT,
    "firelensConfiguration": UNBUILT,
    "credentialSpecs": UNBUILT,
}

REGISTER = {
    "family": f"{DEFINITIONS}families",
    "taskRoleArn": "system/tasks/test_inside.py::test_a_task_has_the_keys_of_its_role_and_no_more",
    "executionRoleArn": f"{FAILURES}a_role_that_may_not_pull",
    "networkMode": FARGATE_REFUSES,
    **{f"containerDefinitions.{name}": how for name, how in CONTAINER.items()},
    "volumes.name": f"{CONTAINERS}they_share_localhost_and_a_volume",
    "volumes.host": FARGATE_REFUSES,
    "volumes.dockerVolumeConfiguration": FARGATE_REFUSES,
    "volumes.efsVolumeConfiguration": UNBUILT,
    "volumes.s3filesVolumeConfiguration": UNBUILT,
    "volumes.fsxWindowsFileServerVolumeConfiguration": UNBUILT,
    "volumes.configuredAtLaunch": UNBUILT,
    "placementConstraints": FARGATE_REFUSES,
    "requiresCompatibilities": FARGATE_REFUSES,
    "cpu": f"{SETTINGS}the_tasks_size_can_be_overridden_and_is_a_limit",
    "memory": f"{SETTINGS}the_tasks_size_can_be_overridden_and_is_a_limit",
    "tags": f"{DEFINITIONS}revisions",
    "pidMode": UNBUILT,
    "ipcMode": FARGATE_REFUSES,
    "proxyConfiguration": UNBUILT,
    "inferenceAccelerators": UNBUILT,
    "ephemeralStorage": UNBUILT,
    "runtimePlatform": f"{RUN}there_is_no_capacity_of_another_platform",
    "enableFaultInjection": UNBUILT,
    "trustedExecutionConfiguration": UNBUILT,
}

RUN_TASK = {
    "capacityProviderStrategy": f"{FARGATE_TASK}capacity_providers",
    "cluster": f"{FARGATE_TASK}refusals",
    "count": f"{FARGATE_TASK}capacity_providers",
    "enableECSManagedTags": f"{RUN}tags_that_a_task_inherits",
    "enableExecuteCommand": UNBUILT_RUN,
    "group": f"{RUN}what_a_task_is_told_of_itself",
    "launchType": UNBUILT_RUN,
    "networkConfiguration.awsvpcConfiguration.subnets": f"{FARGATE_TASK}runs_and_stops",
    "networkConfiguration.awsvpcConfiguration.securityGroups": f"{FARGATE_TASK}refusals",
    # A VPC has no way to the internet yet, so that no address is public: the interface's description shows none.
    "networkConfiguration.awsvpcConfiguration.assignPublicIp": f"{RUN}no_address_is_public",
    "overrides.containerOverrides.name": "unit/core/taskdef/test_overrides_and_images.py::test_unknown_container",
    "overrides.containerOverrides.command": f"{SETTINGS}overrides_change_this_task_alone",
    "overrides.containerOverrides.environment": f"{SETTINGS}overrides_change_this_task_alone",
    "overrides.containerOverrides.environmentFiles": f"{HERE}overrides_count",
    "overrides.containerOverrides.cpu": f"{RUN}what_a_task_is_told_of_itself",
    "overrides.containerOverrides.memory": f"{RUN}what_a_task_is_told_of_itself",
    "overrides.containerOverrides.memoryReservation": f"{RUN}what_a_task_is_told_of_itself",
    "overrides.containerOverrides.resourceRequirements": f"{HERE}overrides_count",
    "overrides.cpu": f"{SETTINGS}the_tasks_size_can_be_overridden_and_is_a_limit",
    "overrides.memory": f"{SETTINGS}the_tasks_size_can_be_overridden_and_is_a_limit",
    "overrides.inferenceAcceleratorOverrides": UNBUILT_RUN,
    "overrides.executionRoleArn": f"{RUN}roles_are_overridden",
    "overrides.taskRoleArn": f"{RUN}roles_are_overridden",
    "overrides.ephemeralStorage": f"{HERE}overrides_count",
    "placementConstraints": f"{FARGATE_TASK}refusals",
    "placementStrategy": f"{FARGATE_TASK}refusals",
    "platformVersion": f"{FARGATE_TASK}refusals",
    "propagateTags": f"{RUN}tags_that_a_task_inherits",
    "referenceId": f"{RUN}what_a_task_is_told_of_itself",
    "startedBy": f"{SLICE}a_task_from_its_image_to_its_end",
    "tags": f"{SLICE}a_task_from_its_image_to_its_end",
    "taskDefinition": f"{FARGATE_TASK}runs_and_stops",
    "clientToken": f"{FARGATE_TASK}a_client_token_starts_once",
    "volumeConfigurations": UNBUILT_RUN,
}
