"""S3 through us: boto3 and curl against a real server behind."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from hashlib import md5, sha256
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.service.forwarding.conftest import ACCOUNT, Deployment
from tests.support.server import REGION, Keys, refusal

from roadstead.access.sessions import issue_role_session
from roadstead.kernel.arn import Arn

NOTHING = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}
READ_PREFIX = (
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::{bucket}/public/*"},
    {
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": "arn:aws:s3:::{bucket}",
        "Condition": {"StringLike": {"s3:prefix": "public/*"}},
    },
)


def reader(deployment: Deployment, bucket: str) -> Any:
    """A client that may read below `public/` and nothing else."""
    return deployment.client(*json.loads(json.dumps(READ_PREFIX).replace("{bucket}", bucket)))


def test_objects(deployment: Deployment, bucket: str) -> None:
    s3, key = deployment.client(), "a folder/ü + %2F=&?.txt"
    put = s3.put_object(Bucket=bucket, Key=key, Body=b"hello", Metadata={"who": "me"}, ContentType="text/plain")
    got = s3.get_object(Bucket=bucket, Key=key)
    assert got["Body"].read() == b"hello"
    assert (got["ETag"], got["Metadata"], got["ContentType"]) == (put["ETag"], {"who": "me"}, "text/plain")
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert (deployment.s3.root / bucket / key).read_bytes() == b"hello"
    assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == 5
    part = s3.get_object(Bucket=bucket, Key=key, Range="bytes=1-3")
    assert (part["ContentRange"], part["Body"].read()) == ("bytes 1-3/5", b"ell")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key=key, IfNoneMatch=put["ETag"])
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 304
    s3.delete_object(Bucket=bucket, Key=key)
    missing = refusal(s3.get_object, Bucket=bucket, Key=key)
    assert (missing.code, missing.status) == ("NoSuchKey", 404)
    assert refusal(s3.head_object, Bucket=bucket, Key=key).status == 404


def test_buckets_copies_tags_and_deletions(deployment: Deployment) -> None:
    s3 = deployment.client()
    s3.create_bucket(Bucket="made-through-us")
    assert "made-through-us" in [each["Name"] for each in s3.list_buckets()["Buckets"]]
    assert s3.head_bucket(Bucket="made-through-us")["ResponseMetadata"]["HTTPStatusCode"] == 200
    s3.put_object(Bucket="made-through-us", Key="one", Body=b"1", Tagging="team=web")
    s3.copy_object(Bucket="made-through-us", Key="a/two", CopySource={"Bucket": "made-through-us", "Key": "one"})
    assert s3.get_object(Bucket="made-through-us", Key="a/two")["Body"].read() == b"1"
    assert s3.get_object_tagging(Bucket="made-through-us", Key="one")["TagSet"] == [{"Key": "team", "Value": "web"}]
    both = {"Objects": [{"Key": "one"}, {"Key": "a/two"}]}
    assert len(s3.delete_objects(Bucket="made-through-us", Delete=both)["Deleted"]) == 2
    s3.delete_bucket(Bucket="made-through-us")
    assert refusal(s3.head_bucket, Bucket="made-through-us").status == 404


def test_an_upload_in_parts(deployment: Deployment, bucket: str) -> None:
    s3 = deployment.client()
    part = b"0123456789abcdef" * (5 * 1024 * 64)
    made = s3.create_multipart_upload(Bucket=bucket, Key="big")
    named = {"Bucket": bucket, "Key": "big", "UploadId": made["UploadId"]}
    tags = [s3.upload_part(**named, PartNumber=n, Body=part)["ETag"] for n in (1, 2)]
    s3.put_object(Bucket=bucket, Key="tail", Body=b"tail")
    copied = s3.upload_part_copy(**named, PartNumber=3, CopySource={"Bucket": bucket, "Key": "tail"})
    tags.append(copied["CopyPartResult"]["ETag"])
    assert len(s3.list_parts(**named)["Parts"]) == 3
    parts = [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)]
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
    assert (
        sha256(s3.get_object(Bucket=bucket, Key="big")["Body"].read()).digest() == sha256(part * 2 + b"tail").digest()
    )
    left = s3.create_multipart_upload(Bucket=bucket, Key="left")
    s3.abort_multipart_upload(Bucket=bucket, Key="left", UploadId=left["UploadId"])
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_a_file_by_boto3s_transfer_manager(deployment: Deployment, bucket: str) -> None:
    s3, content = deployment.client(), bytes(range(256)) * 4096 * 20
    s3.upload_fileobj(io.BytesIO(content), bucket, "file")
    back = io.BytesIO()
    s3.download_fileobj(bucket, "file", back)
    assert back.getvalue() == content


def test_a_principal_reads_its_prefix_and_no_other(deployment: Deployment, bucket: str) -> None:
    for key in ("public/a", "private/b"):
        deployment.client().put_object(Bucket=bucket, Key=key, Body=key.encode())
    before = len(deployment.upstream_calls())
    s3 = reader(deployment, bucket)
    assert s3.get_object(Bucket=bucket, Key="public/a")["Body"].read() == b"public/a"
    listing = s3.list_objects_v2(Bucket=bucket, Prefix="public/")
    assert [each["Key"] for each in listing["Contents"]] == ["public/a"]
    denied = refusal(s3.get_object, Bucket=bucket, Key="private/b")
    assert (denied.code, denied.status) == ("AccessDenied", 403)
    wanted = f'is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::{bucket}/private/b" because no'
    assert wanted in denied.message
    for call, more in (
        (s3.put_object, {"Key": "public/a", "Body": b"x"}),
        (s3.delete_object, {"Key": "public/a"}),
        (s3.list_objects_v2, {}),
        (s3.list_objects_v2, {"Prefix": "private/"}),
        (s3.copy_object, {"Key": "public/c", "CopySource": {"Bucket": bucket, "Key": "private/b"}}),
        (s3.get_object_tagging, {"Key": "public/a"}),
    ):
        assert refusal(call, Bucket=bucket, **more).code == "AccessDenied"
    assert refusal(s3.head_object, Bucket=bucket, Key="private/b").status == 403
    assert refusal(s3.list_buckets).code == "AccessDenied"
    assert len(deployment.upstream_calls(before)) == 2


@pytest.mark.parametrize("key", ["public/../private/b", "public//../private/b", "public/./../private/b"])
def test_no_spelling_of_a_key_leads_to_another(deployment: Deployment, bucket: str, key: str) -> None:
    deployment.client().put_object(Bucket=bucket, Key="private/b", Body=b"secret")
    assert refusal(reader(deployment, bucket).get_object, Bucket=bucket, Key=key).code == "AccessDenied"


def test_a_denied_key_is_denied_however_it_is_spelt(deployment: Deployment, bucket: str) -> None:
    deployment.client().put_object(Bucket=bucket, Key="a/secret", Body=b"secret")
    s3 = deployment.client(
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/a/secret"},
    )
    for key in ("a/secret", "a//secret", "/a/secret", "x/../a/secret"):
        assert refusal(s3.get_object, Bucket=bucket, Key=key).code == "AccessDenied", key
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_what_may_not_be_deleted_is_told_of_and_the_rest_is_deleted(deployment: Deployment, bucket: str) -> None:
    for key in ("public/a", "public/b", "private/c"):
        deployment.client().put_object(Bucket=bucket, Key=key, Body=b"")
    s3 = deployment.client(
        {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{bucket}/public/*"}
    )
    objects = [{"Key": key} for key in ("public/a", "private/c")]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert [each["Key"] for each in answer["Deleted"]] == ["public/a"]
    assert [(each["Key"], each["Code"]) for each in answer["Errors"]] == [("private/c", "AccessDenied")]
    only = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "private/c"}], "Quiet": True})
    assert [each["Key"] for each in only["Errors"]] == ["private/c"]
    left = deployment.client().list_objects_v2(Bucket=bucket)["Contents"]
    assert [each["Key"] for each in left] == ["private/c", "public/b"]


def test_tags_and_headers_are_condition_keys(deployment: Deployment, bucket: str) -> None:
    s3 = deployment.client(
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:PutObjectTagging"], "Resource": f"arn:aws:s3:::{bucket}/*"},
        {
            "Effect": "Deny",
            "Action": "s3:PutObject",
            "Resource": "*",
            "Condition": {"StringNotEquals": {"s3:RequestObjectTag/team": "web"}},
        },
    )
    s3.put_object(Bucket=bucket, Key="a", Body=b"", Tagging="team=web")
    assert refusal(s3.put_object, Bucket=bucket, Key="a", Body=b"", Tagging="team=ops").code == "AccessDenied"
    assert refusal(s3.put_object, Bucket=bucket, Key="a", Body=b"").code == "AccessDenied"


def test_another_account_has_no_part_in_it(deployment: Deployment, bucket: str) -> None:
    other = deployment.server.client("s3", deployment.server.new_account())
    for call, more in ((other.list_objects_v2, {"Bucket": bucket}), (other.list_buckets, {})):
        denied = refusal(call, **more)
        assert denied.code == "AccessDenied"
        assert "no resource-based policy allows" in denied.message


def test_a_session_of_a_role_counts_as_the_role(deployment: Deployment, bucket: str) -> None:
    deployment.client().put_object(Bucket=bucket, Key="k", Body=b"v")
    iam = deployment.server.client("iam", deployment.admin)
    statement = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = iam.create_role(RoleName="s3-reader", AssumeRolePolicyDocument=trust)["Role"]
    now = datetime.now(UTC)
    issued = issue_role_session(
        deployment.server.sealer(),
        role=Arn.parse(role["Arn"]),
        role_id=role["RoleId"],
        session_name="task",
        now=now,
        expires=now + timedelta(hours=1),
    )
    keys = Keys(ACCOUNT, issued.access_key_id, issued.secret_access_key, issued.session_token)
    s3 = deployment.server.client("s3", keys)
    assert "assumed-role/s3-reader/task" in refusal(s3.get_object, Bucket=bucket, Key="k").message
    reads = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [reads]})
    iam.put_role_policy(RoleName="s3-reader", PolicyName="p", PolicyDocument=document)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"v"
    assert fetch(presigned(deployment, keys, "get_object", Bucket=bucket, Key="k")) == (200, b"v")
    forged = Keys(ACCOUNT, keys.key, keys.secret, f"{keys.token}x")
    assert refusal(deployment.server.client("s3", forged).get_object, Bucket=bucket, Key="k").code == "InvalidToken"


def presigned(deployment: Deployment, keys: Keys, operation: str, **parameters: Any) -> str:
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{deployment.server.port}",
        region_name=REGION,
        aws_access_key_id=keys.key,
        aws_secret_access_key=keys.secret,
        aws_session_token=keys.token,
        config=Config(signature_version="s3v4"),
    )
    expires = parameters.pop("expires", 60)
    return s3.generate_presigned_url(operation, Params=parameters, ExpiresIn=expires)


def fetch(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body, named, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_presigned_urls(deployment: Deployment, bucket: str) -> None:
    put = presigned(deployment, deployment.admin, "put_object", Bucket=bucket, Key="a b")
    assert fetch(put, "PUT", b"presigned")[0] == 200
    get = presigned(deployment, deployment.admin, "get_object", Bucket=bucket, Key="a b", ResponseContentType="a/b")
    assert fetch(get) == (200, b"presigned")
    assert fetch(get, "HEAD")[0] == 403
    status, body = fetch(get.replace("a%20b", "other"))
    assert (status, b"<Code>SignatureDoesNotMatch</Code>" in body) == (403, True)
    nobody = presigned(deployment, deployment.user(NOTHING), "get_object", Bucket=bucket, Key="a b")
    status, body = fetch(nobody)
    assert (status, b"<Code>AccessDenied</Code>" in body) == (403, True)
    assert "X-Amz" not in "".join(deployment.upstream_calls())


def test_a_presigned_url_ends(deployment: Deployment, bucket: str) -> None:
    url = presigned(deployment, deployment.admin, "get_object", Bucket=bucket, Key="k", expires=1)
    deadline = time.monotonic() + 10
    while b"Request has expired" not in (answer := fetch(url))[1]:
        assert time.monotonic() < deadline, answer
    assert answer[0] == 403


@pytest.mark.parametrize("header", ["x_amz_copy_source", "x_amz_acl", "x_amz_tagging"])
def test_a_presigned_url_can_not_be_given_more_headers(deployment: Deployment, bucket: str, header: str) -> None:
    url = presigned(deployment, deployment.admin, "put_object", Bucket=bucket, Key="k")
    status, body = fetch(url, "PUT", b"", **{header: "other/k"})
    assert status == 403
    assert b"<HeadersNotSigned>" + header.replace("_", "-").encode() in body


def test_a_presigned_url_that_is_not_utf_8_is_refused(deployment: Deployment, bucket: str) -> None:
    url = presigned(deployment, deployment.admin, "get_object", Bucket=bucket, Key="k")
    status, body = fetch(f"{url}&response-content-disposition=caf%E9")
    assert (status, body.startswith(b"<?xml")) == (400, True), body


def test_a_signature_of_version_2_is_refused_as_new_buckets_refuse_it(deployment: Deployment, bucket: str) -> None:
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{deployment.server.port}",
        region_name=REGION,
        aws_access_key_id=deployment.admin.key,
        aws_secret_access_key=deployment.admin.secret,
    )
    status, body = fetch(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}))
    assert (status, b"Please use AWS4-HMAC-SHA256" in body) == (400, True)


def test_the_bucket_in_the_host(deployment: Deployment, bucket: str) -> None:
    host = f"{bucket}.s3.localhost:{deployment.server.port}"
    body = b"by host"
    for method, content in (("PUT", body), ("GET", b"")):
        headers = {"host": host, "x-amz-content-sha256": sha256(content).hexdigest()}
        signed = deployment.server.signed(
            deployment.admin, "s3", headers, content, method=method, path="/a/b", encoded_once=True
        )
        answer = deployment.server.send(method, "/a/b", {**signed, "host": host}, content)
        assert answer.status == 200, answer.text
    assert answer.body == body
    assert (deployment.s3.root / bucket / "a" / "b").read_bytes() == body


def test_curl(deployment: Deployment, bucket: str) -> None:
    curl = shutil.which("curl")
    assert curl, "install curl"

    def run(*arguments: str, keys: Keys | None = deployment.admin) -> str:
        sign = ["--aws-sigv4", f"aws:amz:{REGION}:s3", "--user", f"{keys.key}:{keys.secret}"] if keys else []
        url = f"http://127.0.0.1:{deployment.server.port}/{bucket}/from-curl"
        command = [curl, "--silent", "--max-time", "20", *sign, *arguments, url]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    hash_of = f"x-amz-content-sha256: {sha256(b'hello').hexdigest()}"
    assert run("-X", "PUT", "--data-binary", "hello", "-H", "Content-Type: text/plain", "-H", hash_of) == ""
    assert run("-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD") == "hello"
    forged = Keys(deployment.admin.account, deployment.admin.key, "forged")
    assert "<Code>SignatureDoesNotMatch</Code>" in run("-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", keys=forged)
    unknown = Keys(deployment.admin.account, "AKIAIOSFODNN7EXAMPLE", "x")
    assert "<Code>InvalidAccessKeyId</Code>" in run("-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", keys=unknown)
    assert "<Code>AccessDenied</Code>" in run("-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", keys=None)


@pytest.mark.parametrize(
    ("claimed", "code"),
    [
        (sha256(b"other").hexdigest(), "XAmzContentSHA256Mismatch"),
        ("nonsense", "InvalidArgument"),
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "NotImplemented"),
    ],
)
def test_a_body_that_was_not_signed_does_not_become_an_object(
    deployment: Deployment, bucket: str, claimed: str, code: str
) -> None:
    path = f"/{bucket}/k"
    headers = {"x-amz-content-sha256": claimed}
    signed = deployment.server.signed(
        deployment.admin, "s3", headers, b"", method="PUT", path=path, payload_hash=claimed, encoded_once=True
    )
    answer = deployment.server.send("PUT", path, signed, b"body" * 50_000)
    assert f"<Code>{code}</Code>" in answer.text
    assert not (deployment.s3.root / bucket / "k").exists()


def test_what_is_not_passed_on_is_refused_by_name(deployment: Deployment, bucket: str) -> None:
    form = {"content-type": "multipart/form-data; boundary=x"}
    answer = deployment.server.send("POST", f"/{bucket}", form, b"--x--")
    assert (answer.status, "POST Object" in answer.text) == (501, True)
    s3 = deployment.client()
    assert refusal(s3.list_objects_v2, Bucket=bucket, Prefix="../").code == "InvalidArgument"
    assert refusal(s3.get_object, Bucket="minio", Key="admin/v3/info").code == "InvalidBucketName"


def test_md5_and_checksums_reach_the_upstream(deployment: Deployment, bucket: str) -> None:
    s3, body = deployment.client(), b"checked"
    digest = base64.b64encode(md5(body, usedforsecurity=False).digest()).decode()
    s3.put_object(Bucket=bucket, Key="k", Body=body, ContentMD5=digest)
    wrong = base64.b64encode(bytes(16)).decode()
    assert refusal(s3.put_object, Bucket=bucket, Key="k", Body=body, ContentMD5=wrong).code == "BadDigest"
    put = s3.put_object(Bucket=bucket, Key="k", Body=body, ChecksumAlgorithm="SHA256")
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["ChecksumSHA256"] == put["ChecksumSHA256"] == base64.b64encode(sha256(body).digest()).decode()
