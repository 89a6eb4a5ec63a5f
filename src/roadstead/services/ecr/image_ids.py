"""Image ids of batch operations, and why one of them failed (API reference: ImageIdentifier, ImageFailure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadstead.services.ecr.keys import is_digest

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import ImageIdentifierTypeDef


@dataclass(frozen=True, slots=True)
class ImageId:
    """An image by digest, by tag, or by both."""

    digest: str | None
    tag: str | None

    def describe(self) -> ImageIdentifierTypeDef:
        """The identifier as the API prints it."""
        described: ImageIdentifierTypeDef = {}
        if self.digest is not None:
            described["imageDigest"] = self.digest
        if self.tag is not None:
            described["imageTag"] = self.tag
        return described


@dataclass(frozen=True, slots=True)
class Failure:
    """One image of a batch for which nothing was done."""

    image_id: ImageId
    code: str
    reason: str

    @classmethod
    def not_found(cls, image_id: ImageId) -> Failure:
        """There is no such image."""
        return cls(image_id, "ImageNotFound", "Requested image not found")

    @classmethod
    def archived(cls, image_id: ImageId) -> Failure:
        """The image is in the archive, or on its way back."""
        return cls(image_id, "ImageInaccessible", "Requested image is archived")

    @classmethod
    def tag_mismatch(cls, image_id: ImageId) -> Failure:
        """The tag names another image than the digest."""
        return cls(image_id, "ImageTagDoesNotMatchDigest", "Requested image tag does not match the image digest")

    @classmethod
    def referenced(cls, image_id: ImageId, lists: Sequence[str]) -> Failure:
        """A manifest list names the image."""
        reason = f"Requested image referenced by manifest list: [{', '.join(lists)}]"
        return cls(image_id, "ImageReferencedByManifestList", reason)

    def describe(self) -> dict[str, object]:
        """The failure as the API prints it."""
        return {"imageId": self.image_id.describe(), "failureCode": self.code, "failureReason": self.reason}


def read_image_id(given: ImageIdentifierTypeDef) -> ImageId | Failure:
    """The id, or what is wrong with its form."""
    image_id = ImageId(given.get("imageDigest"), given.get("imageTag"))
    if image_id.digest is None and image_id.tag is None:
        reason = "Invalid request parameters: both tag and digest cannot be null"
        return Failure(image_id, "MissingDigestAndTag", reason)
    if image_id.digest is not None and not is_digest(image_id.digest):
        pattern = "[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+"
        reason = f"Invalid request parameters: image digest should satisfy the regex '{pattern}'"
        return Failure(image_id, "InvalidImageDigest", reason)
    return image_id
