"""Content by digest: uploads that can be resumed, and blobs that are there whole or not at all."""

from roadstead.store.blobs.digest import Digest, InvalidDigest
from roadstead.store.blobs.disk import DiskBlobStore
from roadstead.store.blobs.interface import (
    BlobError,
    BlobInfo,
    BlobStore,
    BlobUnknown,
    DigestMismatch,
    OffsetMismatch,
    Sealed,
    StorageFull,
    StorageUnavailable,
    UploadInfo,
    UploadUnknown,
)

__all__ = [
    "BlobError",
    "BlobInfo",
    "BlobStore",
    "BlobUnknown",
    "Digest",
    "DigestMismatch",
    "DiskBlobStore",
    "InvalidDigest",
    "OffsetMismatch",
    "Sealed",
    "StorageFull",
    "StorageUnavailable",
    "UploadInfo",
    "UploadUnknown",
]
