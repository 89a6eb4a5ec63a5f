"""The tables of ECR. A repository is known by (account, region, name), so that pulling needs one read and no surrogate key.

Content is shared between repositories; a link says which repository may see which blob, and nothing else does.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ColumnElement, Index, Integer, LargeBinary, String, Table, and_, bindparam

from roadstead.services.ecr.keys import RepositoryKey
from roadstead.store import Json, Timestamp, metadata


def _repository_columns() -> tuple[Column[str], Column[str], Column[str]]:
    return (
        Column("account", String(12), primary_key=True),
        Column("region", String(32), primary_key=True),
        Column("repository", String(256), primary_key=True),
    )


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
)
"""`tags` are the resource tags, name to value."""

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
    Column("manifest", LargeBinary, nullable=False),
    Index("ix_ecr_images_subject", "account", "region", "repository", "subject", "digest"),
)
"""`size` is ECR's imageSizeInBytes; the bytes of the manifest are in the row, because reading them is the hottest path."""

tags = Table(
    "ecr_tags",
    metadata,
    *_repository_columns(),
    Column("tag", String(300), primary_key=True),
    Column("digest", String(160), nullable=False),
    Column("tagged_at", Timestamp, nullable=False),
    Index("ix_ecr_tags_digest", "account", "region", "repository", "digest", "tag"),
)

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
    Column("linked_at", Timestamp, nullable=False),
    Index("ix_ecr_blob_links_digest", "digest"),
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
    Index("ix_ecr_uploads_repository", "account", "region", "repository"),
    Index("ix_ecr_uploads_created_at", "created_at"),
)
"""`blob_upload` is the blob store's own name of the upload; how many bytes it holds, only the blob store knows."""


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
