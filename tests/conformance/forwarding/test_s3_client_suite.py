"""The client suite of an S3 server (versitygw's own, on the Go SDK), run against that server through us: what it checks, we must not change."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.support.s3 import ACCESS_KEY, SECRET_KEY, running_s3, s3_binary
from tests.support.server import ALLOW_ALL, server_thread

from roadstead.gateway.forwarding import UpstreamSettings

GROUPS = (
    "SignedStreamingPayload",
    "UnsignedStreamingPayload",
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "DeleteObjects",
    "UploadPart",
)
_UPSTREAMS = "it fails without us too: the server was started without what it wants"
_OURS = "we answer it ourselves, in other words or by another rule"
EXCEPTIONS = {
    "CompleteMultipartUpload_already_completed": "it wants its own endpoint in Location",
    "CompleteMultipartUpload_success": "it wants its own endpoint in Location",
    "CopyObject_invalid_copy_source": _OURS,
    "CopyObject_not_owned_source_bucket": _UPSTREAMS,
    "CopyObject_object_acl_not_supported": _UPSTREAMS,
    "DeleteObjects_empty_input": "it wants success; AWS and we call that XML malformed",
    "SignedStreamingPayloadTrailer_incomplete_body": _OURS,
    "UnsignedStreamingPayloadTrailer_not_allowed": _OURS,
    "UploadPartCopy_invalid_copy_source": _OURS,
    "UploadPartCopy_non_existing_bucket": _OURS,
}
"""What is not expected to pass, and why."""


def names(binary: Path) -> list[str]:
    """The tests of these groups that run against a server as we start it: another kind of ETag is an option of it."""
    told = subprocess.run([binary, "test", "--help"], check=True, capture_output=True, text=True).stdout
    every = re.findall(r"^ +(\w+) +Runs \w+ integration test$", told, re.MULTILINE)
    return sorted(n for n in every if n.startswith(GROUPS) and n not in EXCEPTIONS and "_data_integrity_" not in n)


def test_the_client_suite_passes_through_us(tmp_path: Path) -> None:
    binary = s3_binary()
    wanted = names(binary)
    failed: list[str] = []
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with running_s3(tmp_path / "s3") as s3:
        upstream = UpstreamSettings(
            service="s3", endpoint=s3.endpoint, access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY
        )
        with server_thread(tmp_path / "server", upstreams=(upstream,)) as server:
            keys = server.new_user("000000000000", "client", ALLOW_ALL)
            base = [str(binary), "test", "-a", keys.key, "-s", keys.secret, "-e", f"http://127.0.0.1:{server.port}"]
            for name in wanted:
                done = subprocess.run(
                    [*base, name], capture_output=True, text=True, env=environment, timeout=120, check=False
                )
                if done.returncode or "FAIL" in done.stdout:
                    failed.append(f"{name}: {done.stderr[:500]}")
                    for left in s3.root.glob("test-bucket*"):  # each test counts its buckets from one
                        shutil.rmtree(left)
    assert not failed, "\n".join(failed)
    assert len(wanted) >= 120, "the suite has less of itself than it had"
