"""What other parts of the server may use of ECR: the registry's edge, controllers, other services."""

from roadstead.services.ecr.authorization import NotARegistryToken, RegistryLogin, open_login
from roadstead.services.ecr.blobs import (
    RegistryStorage,
    begin_upload,
    blob_size,
    end_upload,
    expire_uploads,
    find_upload,
    is_blob_in_use,
    link_blob,
    unlink_blob,
)
from roadstead.services.ecr.content import (
    StoredManifest,
    delete_image,
    delete_tag,
    lists_with,
    manifest_by_digest,
    manifest_by_tag,
    put_manifest,
)
from roadstead.services.ecr.downloads import LayerTicket, open_ticket
from roadstead.services.ecr.keys import RepositoryKey, digest_of, is_digest, is_repository_name, is_tag
from roadstead.services.ecr.manifests import MAX_MANIFEST_BYTES, Manifest, parse_manifest
from roadstead.services.ecr.pulls import PullRecorder
from roadstead.services.ecr.referrers import Referrer, referrers_of
from roadstead.services.ecr.repositories import Repository, find_repository, require_repository
from roadstead.services.ecr.tag_listing import list_tags

__all__ = [
    "MAX_MANIFEST_BYTES",
    "LayerTicket",
    "Manifest",
    "NotARegistryToken",
    "PullRecorder",
    "Referrer",
    "RegistryLogin",
    "RegistryStorage",
    "Repository",
    "RepositoryKey",
    "StoredManifest",
    "begin_upload",
    "blob_size",
    "delete_image",
    "delete_tag",
    "digest_of",
    "end_upload",
    "expire_uploads",
    "find_repository",
    "find_upload",
    "is_blob_in_use",
    "is_digest",
    "is_repository_name",
    "is_tag",
    "link_blob",
    "list_tags",
    "lists_with",
    "manifest_by_digest",
    "manifest_by_tag",
    "open_login",
    "open_ticket",
    "parse_manifest",
    "put_manifest",
    "referrers_of",
    "require_repository",
    "unlink_blob",
]
