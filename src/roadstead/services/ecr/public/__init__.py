"""ECR Public: repositories that everybody may pull from, and the gallery that shows them. The store and most functions are private ECR's."""

from roadstead.services.ecr.public import authorization, catalog, gallery, images, registries, repositories

__all__ = ["authorization", "catalog", "gallery", "images", "registries", "repositories"]
