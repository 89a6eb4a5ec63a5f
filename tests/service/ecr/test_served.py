"""The ECR API of a whole server: what is built of it, and a disk that is full."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.mounts import small_tmpfs
from tests.support.server import Account, refusal, server_thread, sqlite_admin, sqlite_server

import roadstead
from roadstead.gateway.models.loader import service_model
from roadstead.services.operation import OPERATIONS

__all__ = ["sqlite_admin", "sqlite_server"]

SOURCE = Path(roadstead.__file__).parent
TARGET = "AmazonEC2ContainerRegistry_V20150921"
REFUSED = {
    "scanning": [
        "BatchGetRepositoryScanningConfiguration",
        "DescribeImageScanFindings",
        "GetRegistryScanningConfiguration",
        "PutImageScanningConfiguration",
        "PutRegistryScanningConfiguration",
        "StartImageScan",
    ],
    "replication": [
        "DescribeImageReplicationStatus",
        "DescribeReplicationBackfillResults",
        "ListReplicationBackfills",
        "PutReplicationConfiguration",
        "StartReplicationBackfill",
        "StopReplicationBackfill",
    ],
    "signing": [
        "DeleteSigningConfiguration",
        "DescribeImageSigningStatus",
        "GetSigningConfiguration",
        "PutSigningConfiguration",
    ],
}

ALL_REFUSED = [name for names in REFUSED.values() for name in names]


def test_every_other_operation_of_the_models_is_built() -> None:
    for service, refused in (("ecr", ALL_REFUSED), ("ecr-public", [])):
        names = service_model(service).operation_names
        assert sorted(name for name in names if f"{service}:{name}" not in OPERATIONS) == sorted(refused)


@pytest.mark.parametrize("name", ALL_REFUSED)
def test_what_is_not_built_is_refused_by_name(sqlite_admin: Account, name: str) -> None:
    server, body = sqlite_admin.server, b"{}"
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"{TARGET}.{name}"}
    answer = server.send("POST", "/", server.signed(sqlite_admin.keys, "ecr", headers, body), body)
    assert answer.status == 501
    assert json.loads(answer.body)["message"] == f"ecr:{name} is not implemented by Roadstead."


NEVER_RAISED = {
    "KmsException": "encryption with KMS is refused by name",
    "UnableToDecryptSecretValueException": "secrets are in the settings, which are not encrypted",
    "UnableToListUpstreamImageReferrersException": "upstreams are not asked for referrers",
    "ValidationException": "what a request breaks is InvalidParameterException, which the same operations have",
}


def test_every_other_exception_of_what_is_built_has_a_reason_to_be_raised() -> None:
    model = service_model("ecr")
    built = [name for name in model.operation_names if name not in ALL_REFUSED]
    modelled = {error.name for name in built for error in model.operation_model(name).error_shapes}
    source = "".join(
        path.read_text() for folder in ("services/ecr", "gateway") for path in (SOURCE / folder).rglob("*.py")
    )
    raised = {name for name in modelled if re.search(rf"(?:raise|return) {name}[.(]", source)}
    assert modelled - raised == NEVER_RAISED.keys()
    assert all("InvalidParameterException" in _errors(name) for name in built if "ValidationException" in _errors(name))


def _errors(operation: str) -> set[str]:
    return {error.name for error in service_model("ecr").operation_model(operation).error_shapes}


def test_a_fault_of_ours_is_a_server_exception(tmp_path: Path) -> None:
    with server_thread(tmp_path / "data") as server:
        ecr = server.client("ecr", server.new_account())
        ecr.create_repository(repositoryName="web")
        (tmp_path / "data" / "server" / "blobs" / "uploads").rmdir()
        failed = refusal(ecr.initiate_layer_upload, repositoryName="web")
        assert (failed.code, failed.status) == ("ServerException", 500)
        assert "uploads" not in failed.message


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MiB. Needs root."""
    with small_tmpfs(tmp_path / "small", mebibytes=32) as place:
        yield place


def test_a_full_disk_is_said_and_the_upload_goes_on(small_disk: Path) -> None:
    with server_thread(small_disk / "data") as server:
        ecr = server.client("ecr", server.new_account())
        ecr.create_repository(repositoryName="web")
        upload = ecr.initiate_layer_upload(repositoryName="web")["uploadId"]
        size = 9 * 1024 * 1024

        def part(number: int) -> dict[str, object]:
            first = number * size
            span = {"partFirstByte": first, "partLastByte": first + size - 1}
            return {"repositoryName": "web", "uploadId": upload, **span, "layerPartBlob": b"x" * size}

        filling = small_disk / "others"
        for number in (0, 1):
            ecr.upload_layer_part(**part(number))
        filling.write_bytes(os.urandom(8 * 1024 * 1024))
        refused = refusal(ecr.upload_layer_part, **part(2))
        assert (refused.status, "Unavailable" in refused.code) == (503, True)
        filling.unlink()
        assert ecr.upload_layer_part(**part(2))["lastByteReceived"] == 3 * size - 1
