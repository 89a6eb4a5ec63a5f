"""The errors of the ECR API, in the real service's words (ECR API Reference, section Errors of each operation)."""

from __future__ import annotations

from collections.abc import Sequence

from roadstead.kernel.errors import ServiceError
from roadstead.services.ecr.keys import RepositoryKey


class InvalidParameterException(ServiceError):
    """A parameter is well formed for the model, and still not valid here."""

    @classmethod
    def at(cls, parameter: str, constraint: str) -> InvalidParameterException:
        """The form in which ECR names a parameter and the rule that it breaks."""
        return cls(f"Invalid parameter at '{parameter}' failed to satisfy constraint: '{constraint}'")


class InvalidTagParameterException(ServiceError):
    """A resource tag is not valid."""


class TooManyTagsException(ServiceError):
    """More than 50 resource tags."""


class LimitExceededException(ServiceError):
    """A quota of the registry is used up."""


class RepositoryAlreadyExistsException(ServiceError):
    """CreateRepository named a repository that exists."""

    @classmethod
    def of(cls, key: RepositoryKey) -> RepositoryAlreadyExistsException:
        """The error of this repository."""
        return cls(f"The repository with name '{key.name}' already exists in the registry with id '{key.account}'")


class RepositoryNotFoundException(ServiceError):
    """The repository does not exist."""

    @classmethod
    def of(cls, key: RepositoryKey) -> RepositoryNotFoundException:
        """The error of this repository."""
        return cls(f"The repository with name '{key.name}' does not exist in the registry with id '{key.account}'")


class RepositoryPolicyNotFoundException(ServiceError):
    """The repository has no policy."""

    @classmethod
    def of(cls, key: RepositoryKey) -> RepositoryPolicyNotFoundException:
        """The error of this repository."""
        return cls(
            f"Repository policy does not exist for the repository with name '{key.name}' "
            f"in the registry with id '{key.account}'"
        )


class RegistryPolicyNotFoundException(ServiceError):
    """The registry has no policy."""

    @classmethod
    def of(cls, registry: str) -> RegistryPolicyNotFoundException:
        """The error of this registry."""
        return cls(f"Registry policy does not exist in the registry with id '{registry}'")


class ExclusionAlreadyExistsException(ServiceError):
    """Pulls of this principal are excluded already."""

    @classmethod
    def of(cls, registry: str, principal: str) -> ExclusionAlreadyExistsException:
        """The error of this principal."""
        return cls(
            f"The pull time update exclusion for '{principal}' already exists in the registry with id '{registry}'"
        )


class ExclusionNotFoundException(ServiceError):
    """Pulls of this principal are not excluded."""

    @classmethod
    def of(cls, registry: str, principal: str) -> ExclusionNotFoundException:
        """The error of this principal."""
        return cls(
            f"The pull time update exclusion for '{principal}' does not exist in the registry with id '{registry}'"
        )


class UnsupportedUpstreamRegistryException(ServiceError):
    """A rule names a registry that neither AWS knows nor a setting allows."""

    @classmethod
    def of(cls, url: str, name: str | None) -> UnsupportedUpstreamRegistryException:
        """The error of this registry."""
        called = "" if name is None else f" as '{name}'"
        return cls(f"The specified upstream registry '{url}' isn't supported{called}")


class PullThroughCacheRuleAlreadyExistsException(ServiceError):
    """A rule has this prefix."""

    @classmethod
    def of(cls, registry: str, prefix: str) -> PullThroughCacheRuleAlreadyExistsException:
        """The error of this prefix."""
        return cls(
            f"A pull through cache rule with prefix '{prefix}' already exists in the registry with id '{registry}'"
        )


class PullThroughCacheRuleNotFoundException(ServiceError):
    """No rule has this prefix."""

    @classmethod
    def of(cls, registry: str, prefix: str) -> PullThroughCacheRuleNotFoundException:
        """The error of this prefix."""
        return cls(
            f"A pull through cache rule with prefix '{prefix}' does not exist in the registry with id '{registry}'"
        )


class SecretNotFoundException(ServiceError):
    """The secret that a rule names is not in the deployment's settings."""

    @classmethod
    def of(cls, arn: str) -> SecretNotFoundException:
        """The error of this secret."""
        return cls(
            f"The ARN of the secret specified in the pull through cache rule was not found: {arn}. "
            "Roadstead reads such secrets from its settings"
        )


class TemplateAlreadyExistsException(ServiceError):
    """A creation template has this prefix."""

    @classmethod
    def of(cls, registry: str, prefix: str) -> TemplateAlreadyExistsException:
        """The error of this prefix."""
        return cls(
            f"The repository creation template with prefix '{prefix}' already exists in the registry with id '{registry}'"
        )


class TemplateNotFoundException(ServiceError):
    """No creation template has this prefix."""

    @classmethod
    def of(cls, registry: str, prefix: str) -> TemplateNotFoundException:
        """The error of this prefix."""
        return cls(
            f"The repository creation template with prefix '{prefix}' does not exist in the registry with id '{registry}'"
        )


class LifecyclePolicyNotFoundException(ServiceError):
    """The repository has no lifecycle policy."""

    @classmethod
    def of(cls, key: RepositoryKey) -> LifecyclePolicyNotFoundException:
        """The error of this repository."""
        return cls(
            f"Lifecycle policy does not exist for the repository with name '{key.name}' "
            f"in the registry with id '{key.account}'"
        )


class LifecyclePolicyPreviewNotFoundException(ServiceError):
    """Nobody has begun a preview for the repository, or that is long ago."""

    @classmethod
    def of(cls, key: RepositoryKey) -> LifecyclePolicyPreviewNotFoundException:
        """The error of this repository."""
        return cls(
            f"Lifecycle policy preview does not exist for the repository with name '{key.name}' "
            f"in the registry with id '{key.account}'"
        )


class LifecyclePolicyPreviewInProgressException(ServiceError):
    """The last preview of the repository is not finished."""

    @classmethod
    def of(cls, key: RepositoryKey) -> LifecyclePolicyPreviewInProgressException:
        """The error of this repository."""
        return cls(
            f"Lifecycle policy preview is already in progress for the repository with name '{key.name}' "
            f"in the registry with id '{key.account}'"
        )


class ImageStorageClassUpdateNotSupportedException(ServiceError):
    """The image can't go where it was to go."""

    @classmethod
    def of(cls, key: RepositoryKey, digest: str, reason: str) -> ImageStorageClassUpdateNotSupportedException:
        """The error of this image."""
        return cls(
            f"The storage class of the image with digest '{digest}' in the repository with name '{key.name}' "
            f"in the registry with id '{key.account}' can't be changed: {reason}"
        )


class LayerPartTooSmallException(ServiceError):
    """A part that is not the last one is smaller than a part may be."""

    @classmethod
    def of(cls, key: RepositoryKey, upload: str) -> LayerPartTooSmallException:
        """The error of this upload."""
        return cls(
            f"A layer part of the upload with id '{upload}' in the repository with name '{key.name}' "
            f"in the registry with id '{key.account}' is too small"
        )


class LayerInaccessibleException(ServiceError):
    """A layer can't be had now."""

    @classmethod
    def of_no_image(cls, key: RepositoryKey, digest: str) -> LayerInaccessibleException:
        """No image has the layer."""
        return cls(
            f"The layer with digest '{digest}' in the repository with name '{key.name}' "
            f"in the registry with id '{key.account}' is not associated with an image"
        )

    @classmethod
    def archived(cls, key: RepositoryKey, digest: str) -> LayerInaccessibleException:
        """Every image that has the layer is archived."""
        return cls(
            f"The layer with digest '{digest}' in the repository with name '{key.name}' "
            f"in the registry with id '{key.account}' is archived"
        )


class RepositoryNotEmptyException(ServiceError):
    """DeleteRepository without force, and there are images."""

    @classmethod
    def of(cls, key: RepositoryKey) -> RepositoryNotEmptyException:
        """The error of this repository."""
        return cls(
            f"The repository with name '{key.name}' in registry with id '{key.account}' "
            "cannot be deleted because it still contains images"
        )


class ImageNotFoundException(ServiceError):
    """DescribeImages named an image that does not exist."""

    @classmethod
    def of(cls, key: RepositoryKey, *, digest: str | None, tag: str | None) -> ImageNotFoundException:
        """The error of this image; a part that was not given is printed as `null`."""
        return cls(
            f"The image with imageId {{imageDigest:'{digest or 'null'}', imageTag:'{tag or 'null'}'}} does not exist "
            f"within the repository with name '{key.name}' in the registry with id '{key.account}'"
        )


class ImageAlreadyExistsException(ServiceError):
    """PutImage of an image that is there already, under this tag."""

    @classmethod
    def of(cls, key: RepositoryKey, *, digest: str, tag: str | None) -> ImageAlreadyExistsException:
        """The error of this image."""
        return cls(
            f"Image with digest '{digest}' and tag '{tag or 'null'}' already exists "
            f"in the repository with name '{key.name}' in registry with id '{key.account}'"
        )


class ImageTagAlreadyExistsException(ServiceError):
    """The tag names another image, and tags are immutable here."""

    @classmethod
    def of(cls, key: RepositoryKey, tag: str) -> ImageTagAlreadyExistsException:
        """The error of this tag."""
        return cls(
            f"The image tag '{tag}' already exists in the '{key.name}' repository "
            "and cannot be overwritten because the tag is immutable."
        )


class ImageDigestDoesNotMatchException(ServiceError):
    """The manifest's bytes do not have the digest that was given with them."""

    @classmethod
    def of(cls, given: str, computed: str) -> ImageDigestDoesNotMatchException:
        """The error of these two digests."""
        return cls(f"The provided digest '{given}' does not match the digest '{computed}' of the manifest")


class LayersNotFoundException(ServiceError):
    """Layers are not in this repository."""

    @classmethod
    def required(cls, key: RepositoryKey, digests: Sequence[str]) -> LayersNotFoundException:
        """A manifest names layers that were not pushed to its repository."""
        return cls(
            f"Layers with digests '[{', '.join(digests)}]' required for pushing image into repository "
            f"with name '{key.name}' in the registry with id '{key.account}' do not exist"
        )

    @classmethod
    def of(cls, key: RepositoryKey, digest: str) -> LayersNotFoundException:
        """One layer that was asked for."""
        return cls(
            f"The layer with digest '{digest}' does not exist within the repository "
            f"with name '{key.name}' in the registry with id '{key.account}'"
        )


class ReferencedImagesNotFoundException(ServiceError):
    """A manifest list or index names images that are not in this repository."""

    @classmethod
    def required(cls, key: RepositoryKey, digests: Sequence[str]) -> ReferencedImagesNotFoundException:
        """A manifest names manifests that were not pushed to its repository."""
        return cls(
            f"Images with digests '[{', '.join(digests)}]' required for pushing image into repository "
            f"with name '{key.name}' in the registry with id '{key.account}' do not exist"
        )


class UploadNotFoundException(ServiceError):
    """No such upload in this repository."""

    @classmethod
    def of(cls, key: RepositoryKey, upload: str) -> UploadNotFoundException:
        """The error of this upload."""
        return cls(
            f"Upload with id '{upload}' could not be found for the repository "
            f"with name '{key.name}' in the registry with id '{key.account}'"
        )


class InvalidLayerPartException(ServiceError):
    """The part does not begin where the last one ended."""

    @classmethod
    def of(cls, key: RepositoryKey, upload: str, received: int) -> InvalidLayerPartException:
        """The error of an upload that holds `received` bytes; the member counts from 0, and is -1 for none."""
        return cls(
            f"Invalid layer part upload for upload with id '{upload}' "
            f"in the repository with name '{key.name}' in the registry with id '{key.account}'",
            members={
                "registryId": key.account,
                "repositoryName": key.name,
                "uploadId": upload,
                "lastValidByteReceived": received - 1,
            },
        )


class InvalidLayerException(ServiceError):
    """The bytes of an upload do not have the digest that closes it."""

    @classmethod
    def of(cls, key: RepositoryKey, upload: str, digest: str) -> InvalidLayerException:
        """The error of this upload and digest."""
        return cls(
            f"The layer of the upload with id '{upload}' in the repository with name '{key.name}' "
            f"in the registry with id '{key.account}' does not have the digest '{digest}'"
        )


class EmptyUploadException(ServiceError):
    """CompleteLayerUpload of an upload without any byte."""

    @classmethod
    def of(cls, key: RepositoryKey, upload: str) -> EmptyUploadException:
        """The error of this upload."""
        return cls(
            f"No layer parts were uploaded for the upload with id '{upload}' "
            f"in the repository with name '{key.name}' in the registry with id '{key.account}'"
        )


class LayerAlreadyExistsException(ServiceError):
    """CompleteLayerUpload of a layer that this repository has."""

    @classmethod
    def of(cls, key: RepositoryKey, digest: str) -> LayerAlreadyExistsException:
        """The error of this layer."""
        return cls(
            f"Layer with digest '{digest}' already exists in the repository "
            f"with name '{key.name}' in the registry with id '{key.account}'"
        )
