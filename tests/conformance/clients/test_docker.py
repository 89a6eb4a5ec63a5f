"""Docker: its command line and its daemon."""

from __future__ import annotations

import json
from base64 import b64decode
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.clients import Client, Registry
from tests.support.dockerd import docker_daemon, own_image
from tests.support.machine import Machine, machine

FILES = ("/etc/docker/key.json", "/run/docker", "/run/docker.pid", "/run/docker.sock", "/var/lib/docker")
"""Where a daemon would write on its own."""


@pytest.fixture
def docker(daemon: Machine, tmp_path: Path, registry: Registry) -> Client:
    """Docker's command line, logged in to the private registry with the password that the aws CLI fetched."""
    docker = Client("docker", tmp_path / "home", daemon, {"DOCKER_BUILDKIT": "0"})
    docker("login", "--username", "AWS", "--password-stdin", registry.host, stdin=registry.password)
    return docker


def test_push_list_pull_copy_and_delete(docker: Client, registry: Registry, archive: Path) -> None:
    image, copy = registry.create("docker/web"), registry.create("docker/copy")
    docker("load", "--quiet", "--input", archive)
    identity = docker("image", "inspect", "--format", "{{.Id}}", "web:1").strip()
    for name in (f"{image}:v1", f"{copy}:v1"):
        docker("tag", "web:1", name)
    docker("push", f"{image}:v1")
    digest = registry.images("docker/web")["v1"]
    assert "Mounted from docker/web" in docker("push", f"{copy}:v1")
    assert "Layer already exists" in docker("push", f"{image}:v1")
    assert registry.images("docker/copy") == {"v1": digest}
    docker("rmi", "--force", identity)
    assert digest in docker("pull", f"{image}@{digest}")
    docker("pull", f"{copy}:v1")
    assert docker("image", "inspect", "--format", "{{.Id}}", f"{copy}:v1").strip() == identity
    docker("rmi", "--force", identity)
    registry.server.client("ecr").batch_delete_image(repositoryName="docker/web", imageIds=[{"imageDigest": digest}])
    assert "not found" in docker.refused("pull", f"{image}:v1")


def test_what_docker_builds_is_pushed(docker: Client, registry: Registry, archive: Path, tmp_path: Path) -> None:
    image = registry.create("docker/built")
    docker("load", "--quiet", "--input", archive)
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text("FROM web:1\nCOPY Dockerfile /\nLABEL made=here\n")
    docker("build", "--quiet", "--tag", f"{image}:v1", tmp_path / "context")
    docker("push", f"{image}:v1")
    inspected = json.loads(docker("manifest", "inspect", "--insecure", f"{image}:v1"))
    assert len(inspected["layers"]) == 3
    docker("manifest", "create", "--insecure", f"{image}:all", f"{image}:v1")
    docker("manifest", "push", "--insecure", f"{image}:all")
    details = registry.server.client("ecr").describe_images(repositoryName="docker/built")["imageDetails"]
    kinds = {detail["imageTags"][0]: detail["imageManifestMediaType"].rpartition(".")[0] for detail in details}
    assert kinds == {
        "v1": "application/vnd.docker.distribution.manifest",
        "all": "application/vnd.docker.distribution.manifest.list",
    }


def test_who_is_logged_out_is_refused(docker: Client, registry: Registry, archive: Path) -> None:
    image = registry.create("docker/closed")
    docker("load", "--quiet", "--input", archive)
    docker("tag", "web:1", f"{image}:v1")
    docker("logout", registry.host)
    assert "no basic auth credentials" in docker.refused("push", f"{image}:v1")
    told = docker.refused("login", "--username", "AWS", "--password-stdin", registry.host, stdin="guess")
    assert "Your Authorization Token is invalid" in told or "unauthorized" in told.lower()


def test_refusals_reach_the_user_in_the_words_of_ecr(docker: Client, registry: Registry, archive: Path) -> None:
    image, missing = registry.create("docker/fixed"), f"{registry.host}/docker/missing"
    ecr = registry.server.client("ecr")
    ecr.put_image_tag_mutability(repositoryName="docker/fixed", imageTagMutability="IMMUTABLE")
    docker("load", "--quiet", "--input", archive)
    for name in (f"{image}:v1", f"{missing}:v1"):
        docker("tag", "web:1", name)
    docker("push", f"{image}:v1")
    docker("push", f"{image}:v1")
    own_image(docker, f"{image}:v1")
    told = docker.refused("push", f"{image}:v1")
    assert "The image tag 'v1' already exists in the 'docker/fixed' repository and cannot be overwritten" in told
    told = docker.refused("push", f"{missing}:v1")
    assert "The repository with name 'docker/missing' does not exist in the registry with id '000000000000'" in told


def test_who_may_only_read_pulls_and_does_not_push(docker: Client, registry: Registry, archive: Path) -> None:
    image, iam = registry.create("docker/read"), registry.server.client("iam")
    docker("load", "--quiet", "--input", archive)
    docker("tag", "web:1", f"{image}:v1")
    docker("push", f"{image}:v1")
    iam.create_user(UserName="reader")
    policy = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
    iam.attach_user_policy(UserName="reader", PolicyArn=policy)
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = registry.server.client("ecr", (key["AccessKeyId"], key["SecretAccessKey"], None))
    token = reader.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    password = b64decode(token).decode().partition(":")[2]
    docker("login", "--username", "AWS", "--password-stdin", registry.host, stdin=password)
    docker("pull", f"{image}:v1")
    own_image(docker, f"{image}:v2")
    told = docker.refused("push", f"{image}:v2")
    assert (
        "denied: User: arn:aws:iam::000000000000:user/reader is not authorized to perform: ecr:InitiateLayerUpload"
        in told
    )


def test_the_daemon_leaves_nothing(
    registry: Registry, archive: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    image, folder = registry.create("docker/gone"), tmp_path_factory.mktemp("own")
    before = footprint(folder)
    with machine({}) as own, docker_daemon(own, folder):
        docker = Client("docker", tmp_path / "home", own)
        docker("login", "--username", "AWS", "--password-stdin", registry.host, stdin=registry.password)
        docker("load", "--quiet", "--input", archive)
        docker("tag", "web:1", f"{image}:v1")
        docker("push", f"{image}:v1")
        assert footprint(folder) != before
    assert footprint(folder) == before


def footprint(folder: Path) -> set[str]:
    """What this host has of Docker: mounts and processes of a daemon whose data is in the folder, links, groups, files."""
    found = {line for line in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in line}
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            command = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found |= {command} if str(folder) in command else set()
    found |= {link.name for link in Path("/sys/class/net").iterdir() if link.name.startswith(("docker", "br-"))}
    found |= {str(group) for pattern in ("docker", "*/docker") for group in Path("/sys/fs/cgroup").glob(pattern)}
    return found | {path for path in FILES if Path(path).exists()}
