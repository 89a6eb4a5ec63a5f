"""The tables of ECR. A repository is known by (account, region, name), so that pulling needs one read and no surrogate key.

Content is shared between repositories; a link says which repository may see which blob, and nothing else does.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    and_,
    bindparam,
)

from roadstead.services.ecr.keys import RepositoryKey
from roadstead.store import Json, Timestamp, metadata


def _registry_columns() -> tuple[Column[str], ...]:
    return (Column("account", String(12), primary_key=True), Column("region", String(32), primary_key=True))


def _repository_columns() -> tuple[Column[str], ...]:
    return (*_registry_columns(), Column("repository", String(256), primary_key=True))


repositories = Table(
    "ecr_repositories",
    metadata,
    *_repository_columns(),
    Column("created_at", Timestamp, nullable=False),
    Column("tag_mutability", String(32), nullable=False),
    Column("mutability_exclusions", Json, nullable=False),
    Column("scan_on_push", Integer, nullable=False),
    Column("encryption", Json, nullable=False),
    Column("tags", Json, nullable=False),
    Column("policy", Text),
    Column("lifecycle_policy", Text),
    Column("lifecycle_evaluated_at", Timestamp),
    Column("lifecycle_due_at", Timestamp),
    Index("ix_ecr_repositories_lifecycle_due_at", "lifecycle_due_at"),
    Index("ix_ecr_repositories_region", "region", "account", "repository"),
)
"""`tags` are the resource tags, name to value; `policy` is the repository policy's text. `lifecycle_due_at` is set while there is a
lifecycle policy: when it is to be evaluated next."""

registries = Table(
    "ecr_registries",
    metadata,
    *_registry_columns(),
    Column("policy", Text),
    Column("settings", Json, nullable=False),
)
"""A registry that somebody changed: its policy, and the account settings that were put, name to value."""

pull_exclusions = Table(
    "ecr_pull_exclusions",
    metadata,
    *_registry_columns(),
    Column("principal_arn", String(200), primary_key=True),
    Column("created_at", Timestamp, nullable=False),
)
"""Users and roles whose pulls from a registry are not recorded."""

creation_templates = Table(
    "ecr_creation_templates",
    metadata,
    *_registry_columns(),
    Column("prefix", String(256), primary_key=True),
    Column("settings", Json, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
)
"""How repositories come to be that nobody creates; `settings` is the template as the API describes it."""

pull_through_rules = Table(
    "ecr_pull_through_rules",
    metadata,
    *_registry_columns(),
    Column("prefix", String(30), primary_key=True),
    Column("upstream_prefix", String(256), nullable=False),
    Column("upstream_url", String(2048), nullable=False),
    Column("upstream_registry", String(64)),
    Column("credential_arn", String(612)),
    Column("custom_role_arn", String(2048)),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
)
"""Where the repositories below a prefix get what they don't have."""

images = Table(
    "ecr_images",
    metadata,
    *_repository_columns(),
    Column("digest", String(160), primary_key=True),
    Column("media_type", String(255), nullable=False),
    Column("artifact_type", String(255)),
    Column("subject", String(160)),
    Column("size", BigInteger, nullable=False),
    Column("manifest_size", Integer, nullable=False),
    Column("pushed_at", Timestamp, nullable=False),
    Column("pulled_at", Timestamp),
    Column("annotations", Json),
    Column("status", String(16), nullable=False),
    Column("archived_at", Timestamp),
    Column("activated_at", Timestamp),
    Column("manifest", LargeBinary, nullable=False),
    Index("ix_ecr_images_subject", "account", "region", "repository", "subject", "digest"),
    Index("ix_ecr_images_status", "account", "region", "repository", "status", "digest"),
)
"""`size` is ECR's imageSizeInBytes; the bytes of the manifest are in the row, because reading them is the hottest path. `status` is
ACTIVE, ARCHIVED or ACTIVATING; only what is ACTIVE can be pulled. `activated_at` is when it last came back from the archive."""
_activating = images.c.status == "ACTIVATING"
Index("ix_ecr_images_activating", images.c.status, sqlite_where=_activating, postgresql_where=_activating)

tags = Table(
    "ecr_tags",
    metadata,
    *_repository_columns(),
    Column("tag", String(300), primary_key=True),
    Column("digest", String(160), nullable=False),
    Column("tagged_at", Timestamp, nullable=False),
    Column("checked_at", Timestamp),
    Index("ix_ecr_tags_digest", "account", "region", "repository", "digest", "tag"),
)
"""`checked_at` is set for tags of an upstream registry: when that was last asked what the tag names."""

references = Table(
    "ecr_references",
    metadata,
    *_repository_columns(),
    Column("digest", String(160), primary_key=True),
    Column("target", String(160), primary_key=True),
    Column("kind", String(16), nullable=False),
    Index("ix_ecr_references_target", "account", "region", "repository", "target", "kind"),
)
"""What an image is made of: `target` is a layer or config (`kind` blob), or an image of a manifest list (`kind` image)."""

blob_links = Table(
    "ecr_blob_links",
    metadata,
    *_repository_columns(),
    Column("digest", String(160), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("location", String(255), nullable=False),
    Column("released_at", Timestamp),
    Index("ix_ecr_blob_links_digest", "digest"),
    Index("ix_ecr_blob_links_released_at", "released_at"),
)
"""`location` is the content's (it is here too, so that pulling needs one read). `released_at` is when somebody who pushes was last told that
the blob is here, while no image consists of it; it is null while one does.
"""

lifecycle_previews = Table(
    "ecr_lifecycle_previews",
    metadata,
    *_repository_columns(),
    Column("policy", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("started_at", Timestamp, nullable=False),
    Column("expiring", Integer, nullable=False),
    Column("transitioning", Integer, nullable=False),
    Index("ix_ecr_lifecycle_previews_status", "status", "started_at"),
)
"""The latest preview of each repository; what it found is in `lifecycle_preview_images`."""

lifecycle_preview_images = Table(
    "ecr_lifecycle_preview_images",
    metadata,
    *_repository_columns(),
    Column("digest", String(160), primary_key=True),
    Column("tags", Json, nullable=False),
    Column("pushed_at", Timestamp, nullable=False),
    Column("action", String(16), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("storage", String(16), nullable=False),
)

uploads = Table(
    "ecr_uploads",
    metadata,
    Column("upload_id", String(36), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("repository", String(256), nullable=False),
    Column("blob_upload", String(128), nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("ended_at", Timestamp),
    Index("ix_ecr_uploads_blob_upload", "blob_upload"),
    Column("parts", Integer, nullable=False),
    Column("small_parts", Integer, nullable=False),
    Column("last_is_small", Integer, nullable=False),
    Column("parts_end", BigInteger, nullable=False),
    Index("ix_ecr_uploads_repository", "account", "region", "repository", "ended_at"),
    Index("ix_ecr_uploads_created_at", "created_at"),
)
"""`blob_upload` is the blob store's own name of the upload; how many bytes it holds, only the blob store knows.

A row stays for a while when its upload has ended: garbage collection reads from it that somebody pushes to the repository.
`parts` counts those of UploadLayerPart, `small_parts` those that are too small and not the last one. `parts_end` is where the last one that was
counted ends: what a crash left of a part belongs to the one that goes on behind it.
"""

contents = Table(
    "ecr_contents",
    metadata,
    Column("digest", String(160), primary_key=True),
    Column("location", String(255), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("unlinked_at", Timestamp),
    Column("lost_at", Timestamp),
    Index("ix_ecr_contents_location", "location", unique=True),
    Index("ix_ecr_contents_unlinked_at", "unlinked_at"),
)
"""Where the blob store keeps a digest's bytes, for every repository alike. `unlinked_at` is when a link went: perhaps it was the last.
`lost_at` is when a check found that the bytes are not there, or others.
"""

garbage = Table(
    "ecr_garbage",
    metadata,
    Column("location", String(255), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("since", Timestamp, nullable=False),
    Index("ix_ecr_garbage_since", "since"),
)
"""Locations whose bytes nobody can reach any more, and which are still to be deleted."""


def registry_of(table: Table, account: str, region: str) -> ColumnElement[bool]:
    """The condition that a row of `table` belongs to this registry."""
    return and_(table.c.account == account, table.c.region == region)


catalog_data = Table(
    "ecr_catalog_data",
    metadata,
    *_repository_columns(),
    Column("description", Text),
    Column("about", Text),
    Column("usage", Text),
    Column("architectures", Text, nullable=False),
    Column("operating_systems", Text, nullable=False),
    Column("logo", LargeBinary),
    Column("changed_at", Timestamp, nullable=False),
)
"""What the gallery shows of a public repository. Each line of `architectures` and `operating_systems` is a value."""

aliases = Table(
    "ecr_registry_aliases",
    metadata,
    Column("alias", String(50), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("is_default", Integer, nullable=False),
    Column("is_primary", Integer, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Index("ix_ecr_registry_aliases_account", "account"),
)
"""The names of public registries in `public.ecr.aws/ALIAS/REPOSITORY`; the default one is given, others are chosen."""

public_registries = Table(
    "ecr_public_registries",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("display_name", String(100), nullable=False),
)


def within(table: Table, key: RepositoryKey) -> ColumnElement[bool]:
    """The condition that a row of `table` belongs to this repository."""
    return and_(
        table.c.account == key.account,
        table.c.region == key.region,
        table.c.repository == key.name,
    )


def within_place(table: Table) -> ColumnElement[bool]:
    """The same condition for statements that are built once, because they are executed all the time; `place` fills it in."""
    return and_(
        table.c.account == bindparam("account"),
        table.c.region == bindparam("region"),
        table.c.repository == bindparam("repository"),
    )


def place(key: RepositoryKey, **more: str) -> dict[str, str]:
    """The parameters of `within_place`, and further ones."""
    return {"account": key.account, "region": key.region, "repository": key.name, **more}
