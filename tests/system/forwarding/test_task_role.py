"""A task whose role may read one prefix of a bucket, from its VPC alone: it reads that, and no other, from inside its network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.deployment import TRUST, LiveDeployment, live_deployment, web_image
from tests.support.namespaces import played_host
from tests.support.s3 import ACCESS_KEY, SECRET_KEY, S3Server, running_s3
from tests.support.waiting import until

pytestmark = pytest.mark.system

FETCH = """
keys=$(wget -qO- http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI)
value() { echo "$keys" | busybox tr ',{}' '\\n\\n\\n' | busybox grep "\\"$1\\"" | busybox cut -d'"' -f4; }
get() {
    echo "$1: $(curl --silent --show-error --max-time 20 --path-as-is --aws-sigv4 "aws:amz:$AWS_REGION:s3" \\
        --user "$(value AccessKeyId):$(value SecretAccessKey)" -H "x-amz-security-token: $(value Token)" \\
        -H "x-amz-content-sha256: UNSIGNED-PAYLOAD" "$AWS_ENDPOINT_URL/$1")"
}
get store/public/greeting
get store/private/secret
get store/public/../private/secret
"""


def with_libraries(program: str) -> dict[str, bytes]:
    """A program of this machine and the shared libraries that it needs, with a script that starts it by its own loader."""
    found = shutil.which(program)
    assert found, f"install {program}"
    needed = subprocess.run(["ldd", found], check=True, capture_output=True, text=True).stdout
    libraries = [Path(path) for path in re.findall(r"(?:=> )?(/\S+) \(0x", needed)]
    loader = next(path for path in libraries if path.name.startswith("ld-linux"))
    starter = f'#!/bin/sh\nexec /bin/loader /libexec/{program} "$@"\n'
    return {
        f"/bin/{program}": starter.encode(),
        "/bin/loader": loader.read_bytes(),
        f"/libexec/{program}": Path(found).read_bytes(),
        **{str(path): path.read_bytes() for path in libraries},
    }


def _three(messages: list[str]) -> list[str] | None:
    return messages if len(messages) >= 3 else None


@pytest.fixture
def store() -> Iterator[tuple[LiveDeployment, S3Server]]:
    with tempfile.TemporaryDirectory() as folder, played_host() as host, running_s3(Path(folder), host=host) as s3:
        configuration = (
            f'[[upstream]]\nservice = "s3"\nendpoint = "{s3.endpoint}"\n'
            f'access_key_id = "{ACCESS_KEY}"\nsecret_access_key = "{SECRET_KEY}"\n'
        )
        with live_deployment("runc", host=host, configuration=configuration) as deployment:
            yield deployment, s3


def test_a_task_reads_the_prefix_that_its_role_may_read(store: tuple[LiveDeployment, S3Server], tmp_path: Path) -> None:
    deployment, upstream = store
    s3 = deployment.client("s3")
    s3.create_bucket(Bucket="store")
    s3.put_object(Bucket="store", Key="public/greeting", Body=b"hello from the store")
    s3.put_object(Bucket="store", Key="private/secret", Body=b"not for everybody")
    iam = deployment.client("iam")
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    vpc = deployment.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    statement = {
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::store/public/*",
        "Condition": {"StringEquals": {"aws:SourceVpc": vpc}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName="reader", PolicyName="read", PolicyDocument=document)
    layout = web_image(tmp_path / "image", files=with_libraries("curl"))
    image = deployment.push(layout, "web", "reader")
    deployment.define(
        "reader", image, deployment.role("execution"), [{"command": ["sh", "-c", FETCH]}], taskRoleArn=role
    )
    task = deployment.run_task("reader")
    deployment.wait_for(task, "STOPPED")
    lines = until(lambda: _three(deployment.messages("/test/reader")), "its output")
    text = "\n".join(lines)
    assert "store/public/greeting: hello from the store" in text, text
    assert "not for everybody" not in text
    name = f"arn:aws:sts::000000000000:assumed-role/reader/{task.rsplit('/', 1)[1]}"
    assert f"User: {name} is not authorized to perform: s3:GetObject on resource: " in text
    calls = [line for line in upstream.log.read_text().splitlines() if "s3_GetObject" in line]
    assert len(calls) == 1, calls
