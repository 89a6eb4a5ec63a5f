"""Media types of manifests (OCI image-spec 1.1, media-types.md; Docker image manifest version 2, schema 2)."""

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"

IMAGE_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST, OCI_ARTIFACT})
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"

MAX_MANIFEST_BYTES = 4 * 1024 * 1024

UNPUSHED = ("foreign", "nondistributable")
"""Marks of layer media types whose content is elsewhere (`urls`) and may be missing in a registry or layout."""
