"""The task metadata endpoint and the credentials of tasks, at 169.254.170.2."""

from roadstead.agent.ecs.metadata.server import MetadataServer

__all__ = ["MetadataServer"]
