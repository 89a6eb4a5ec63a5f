"""ECS: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/. Importing it declares its operations."""

from roadstead.services.ecs import (
    agent_endpoints,
    clusters,
    container_instances,
    state_changes,
    tags,
    task_definitions,
    tasks,
)

__all__ = [
    "agent_endpoints",
    "clusters",
    "container_instances",
    "state_changes",
    "tags",
    "task_definitions",
    "tasks",
]
