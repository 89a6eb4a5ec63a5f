"""What other parts of the server may use of ECR: the registry's edge, controllers, other services."""

from roadstead.services.ecr.authorization import NotARegistryToken, RegistryLogin, open_login, password_of
from roadstead.services.ecr.blobs import (
    Blob,
    RegistryStorage,
    find_blob,
    is_blob_archived,
    is_blob_in_use,
    link_blob,
    unlink_blob,
)
from roadstead.services.ecr.byte_quotas import require_room_for, require_room_to_seal, upload_bound
from roadstead.services.ecr.collection import collect_garbage, keep_for_push
from roadstead.services.ecr.content import (
    StoredManifest,
    delete_image,
    delete_tag,
    is_archived,
    lists_with,
    manifest_by_digest,
    manifest_by_tag,
    put_manifest,
)
from roadstead.services.ecr.creation import create_on_push, has_create_on_push
from roadstead.services.ecr.downloads import LayerTicket, open_ticket
from roadstead.services.ecr.guarded import guarded_repository
from roadstead.services.ecr.keys import (
    PUBLIC,
    PUBLIC_REGION,
    RepositoryKey,
    digest_of,
    is_digest,
    is_repository_name,
    is_tag,
)
from roadstead.services.ecr.lifecycle_previews import expire_previews, fail_preview, finish_preview, waiting_previews
from roadstead.services.ecr.lifecycle_runs import Due, activate_images, batches, carry_out, due_policies, marked_images
from roadstead.services.ecr.lifecycle_runs import finish as finish_run
from roadstead.services.ecr.lifecycle_runs import refuse as refuse_run
from roadstead.services.ecr.manifests import MAX_MANIFEST_BYTES, Manifest, parse_manifest
from roadstead.services.ecr.public.aliases import account_of
from roadstead.services.ecr.public.authorization import anonymous_token, open_public_login
from roadstead.services.ecr.public.catalog import find_logo
from roadstead.services.ecr.pull_through import PullThrough
from roadstead.services.ecr.pulls import PullRecorder
from roadstead.services.ecr.quotas import RegistryLimits, quota
from roadstead.services.ecr.referrers import Referrer, referrers_of
from roadstead.services.ecr.registries import may_mount
from roadstead.services.ecr.repositories import Repository, find_repository, list_repositories, require_repository
from roadstead.services.ecr.repository_events import TOPIC as REPOSITORY_TOPIC
from roadstead.services.ecr.tag_listing import list_tags
from roadstead.services.ecr.upload_sessions import (
    begin_upload,
    end_upload,
    expire_uploads,
    find_upload,
    publish_upload,
)
from roadstead.services.ecr.upstream import UpstreamAccessDenied, UpstreamError, UpstreamTooManyRequests
from roadstead.services.ecr.upstream_client import UpstreamClient
from roadstead.services.ecr.upstream_local import Registries
from roadstead.services.ecr.upstream_registries import UpstreamRegistries

__all__ = [
    "MAX_MANIFEST_BYTES",
    "PUBLIC",
    "PUBLIC_REGION",
    "REPOSITORY_TOPIC",
    "Blob",
    "Due",
    "LayerTicket",
    "Manifest",
    "NotARegistryToken",
    "PullRecorder",
    "PullThrough",
    "Referrer",
    "Registries",
    "RegistryLimits",
    "RegistryLogin",
    "RegistryStorage",
    "Repository",
    "RepositoryKey",
    "StoredManifest",
    "UpstreamAccessDenied",
    "UpstreamClient",
    "UpstreamError",
    "UpstreamRegistries",
    "UpstreamTooManyRequests",
    "account_of",
    "activate_images",
    "anonymous_token",
    "batches",
    "begin_upload",
    "carry_out",
    "collect_garbage",
    "create_on_push",
    "delete_image",
    "delete_tag",
    "digest_of",
    "due_policies",
    "end_upload",
    "expire_previews",
    "expire_uploads",
    "fail_preview",
    "find_blob",
    "find_logo",
    "find_repository",
    "find_upload",
    "finish_preview",
    "finish_run",
    "guarded_repository",
    "has_create_on_push",
    "is_archived",
    "is_blob_archived",
    "is_blob_in_use",
    "is_digest",
    "is_repository_name",
    "is_tag",
    "keep_for_push",
    "link_blob",
    "list_repositories",
    "list_tags",
    "lists_with",
    "manifest_by_digest",
    "manifest_by_tag",
    "marked_images",
    "may_mount",
    "open_login",
    "open_public_login",
    "open_ticket",
    "parse_manifest",
    "password_of",
    "publish_upload",
    "put_manifest",
    "quota",
    "referrers_of",
    "refuse_run",
    "require_repository",
    "require_room_for",
    "require_room_to_seal",
    "unlink_blob",
    "upload_bound",
    "waiting_previews",
]
