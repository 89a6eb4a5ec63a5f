"""Elastic Container Registry: repositories, images, layers, authorization. `registry/` serves the same store to OCI clients."""

from roadstead.services.ecr import authorization, image_changes, images, layers, repositories, resource_tags

__all__ = ["authorization", "image_changes", "images", "layers", "repositories", "resource_tags"]
