"""`roadstead image` against a running server, through its OCI routes, and against registries of others."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from examples.oci_image import ImageSpec, Packed, pack, write_tar
from tests.support import token_registry
from tests.support.server import Account, Keys
from tests.support.terminal import on_terminal
from tests.support.token_registry import TokenRegistry

from roadstead.cli.failure import CommandFailed
from roadstead.images.archives.files import open_files
from roadstead.images.archives.layout_source import LayoutSource
from roadstead.images.commands import Caller, Format, copy_images, export_images, import_images
from roadstead.images.errors import DigestMismatch, ImageError, NotThere, Refused
from roadstead.images.progress import Event, Stage
from roadstead.images.registry.connection import Connection
from roadstead.images.registry.deployment import AwsSettings
from roadstead.images.transfer import Wishes


@pytest.fixture
def packed(tmp_path: Path) -> Packed:
    busybox = tmp_path / "busybox"
    busybox.write_bytes(b"not one")
    return pack(tmp_path / "layout", ImageSpec(name="v1", random_layers=[3 << 20, 1 << 20], busybox=busybox))


class Calls:
    """A caller, and what its transfers reported."""

    def __init__(self, port: int, tmp_path: Path) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.state = tmp_path / "uploads.json"
        self.events: list[Event] = []

    def caller(self, *, create: bool = True, region: str = "us-east-1", wishes: Wishes | None = None) -> Caller:
        self.events = []
        aws = AwsSettings(None, region, self.endpoint)
        return Caller(aws, wishes or Wishes(), create, self.events.append, self.state)

    def stages(self, stage: Stage) -> list[str]:
        return [event.what for event in self.events if event.stage is stage]


@pytest.fixture
def calls(admin: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    sign_as(monkeypatch, admin.keys)
    forget_settings(monkeypatch, tmp_path)
    return Calls(admin.server.port, tmp_path)


def forget_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever whoever runs the tests has set up is none of ours."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


def sign_as(monkeypatch: pytest.MonkeyPatch, keys: Keys) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret)


async def test_import_export_and_import_again(admin: Account, calls: Calls, packed: Packed, tmp_path: Path) -> None:
    await import_images(calls.caller(), packed.directory, "apps/web", [])
    (detail,) = admin.ecr.describe_images(repositoryName="apps/web")["imageDetails"]
    assert (detail["imageDigest"], detail["imageTags"]) == (packed.digest, ["v1"])
    assert len(calls.stages(Stage.DONE)) == 4
    kinds: tuple[tuple[str, Format], ...] = (("out", "oci"), ("out.tar", "oci-archive"), ("d.tar", "docker-archive"))
    for name, kind in kinds:
        await export_images(calls.caller(), ["apps/web:v1"], tmp_path / name, kind, all_tags=False, outside=False)
        await import_images(calls.caller(), tmp_path / name, f"again/{kind}", [])
        (again,) = admin.ecr.describe_images(repositoryName=f"again/{kind}")["imageDetails"]
        assert (again["imageDigest"], again["imageTags"]) == (packed.digest, ["v1"])


async def test_what_is_there_is_not_sent_again(admin: Account, calls: Calls, packed: Packed) -> None:
    admin.ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    archive = write_tar(packed.directory, packed.directory.with_suffix(".tar"))
    await import_images(calls.caller(), archive, "apps/web:1", [])
    await import_images(calls.caller(create=False), archive, "apps/web:2", [])
    assert [event.stage for event in calls.events] == [Stage.PRESENT] * 4 + [Stage.TAGGED]
    await copy_images(calls.caller(), "apps/web:2", "apps/other", source_aws=None, all_tags=False, outside=False)
    assert len(calls.stages(Stage.PRESENT)) == 4  # mounted
    assert not calls.stages(Stage.COPYING)


async def test_all_tags_and_several_images_of_an_archive(
    admin: Account, calls: Calls, packed: Packed, tmp_path: Path
) -> None:
    for tag in ("1", "2"):
        await import_images(calls.caller(), packed.directory, f"web:{tag}", [])
    await import_images(calls.caller(), packed.directory, "other:x", [])
    await export_images(calls.caller(), ["web"], tmp_path / "all.tar", "docker-archive", all_tags=True, outside=False)
    await export_images(
        calls.caller(), ["web:1", "other:x"], tmp_path / "two.tar", "oci-archive", all_tags=False, outside=False
    )
    for name in ("web", "other"):
        admin.ecr.delete_repository(repositoryName=name, force=True)
    await import_images(calls.caller(), tmp_path / "all.tar", None, [])
    (detail,) = admin.ecr.describe_images(repositoryName="web")["imageDetails"]
    assert detail["imageTags"] == ["1", "2"]
    await import_images(calls.caller(), tmp_path / "two.tar", None, ["x"])
    assert admin.ecr.describe_images(repositoryName="other")["imageDetails"][0]["imageTags"] == ["x"]


async def test_between_regions(admin: Account, calls: Calls, packed: Packed) -> None:
    await import_images(calls.caller(), packed.directory, "web", [])
    host = f"{admin.id}.dkr.ecr.eu-west-1.amazonaws.com"
    await copy_images(calls.caller(), "web:v1", f"{host}/there", source_aws=None, all_tags=False, outside=False)
    there = admin.server.client("ecr", admin.keys, region="eu-west-1")
    assert there.describe_images(repositoryName="there")["imageDetails"][0]["imageDigest"] == packed.digest


async def test_the_errors_name_the_thing(
    admin: Account, calls: Calls, packed: Packed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotThere, match=r"web.*NAME_UNKNOWN.*'web' does not exist"):
        await import_images(calls.caller(create=False), packed.directory, "web", [])
    with pytest.raises(NotThere, match="has no image 'v2'; it has: v1"):
        await import_images(calls.caller(), packed.directory, "web", ["v2"])
    with pytest.raises(ImageError, match="v1 names no repository"):
        await import_images(calls.caller(), packed.directory, None, [])
    await import_images(calls.caller(), packed.directory, "web", [])
    with pytest.raises(NotThere, match=r"web:nope: 404 MANIFEST_UNKNOWN"):
        await copy_images(calls.caller(), "web:nope", "x/y", source_aws=None, all_tags=False, outside=False)
    host = "111111111111.dkr.ecr.us-east-1.localhost"
    with pytest.raises(Refused, match=r"111111111111.*web:v1: 403 DENIED"):
        await copy_images(calls.caller(), f"{host}/web:v1", "x/y", source_aws=None, all_tags=False, outside=False)
    sign_as(monkeypatch, admin.user("nobody"))
    with pytest.raises(Refused, match="not authorized to perform: ecr:GetAuthorizationToken"):
        await copy_images(calls.caller(), "web:v1", "x/y", source_aws=None, all_tags=False, outside=False)


async def test_an_upload_goes_on_where_an_earlier_process_stopped(calls: Calls, packed: Packed, admin: Account) -> None:
    """The journal leads to the upload, and the registry says how far it came."""
    admin.ecr.create_repository(repositoryName="web")
    with open_files(packed.directory) as files:
        source = LayoutSource(files)
        manifest = await source.manifest(source.images()[0].root)
        blob = max(manifest.blobs, key=lambda descriptor: descriptor.size)
        content = (packed.directory / "blobs" / "sha256" / blob.digest.removeprefix("sha256:")).read_bytes()
    token = admin.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    host = f"{admin.id}.dkr.ecr.us-east-1.localhost:{admin.server.port}"
    headers = {"Host": host, "Authorization": f"Basic {token}", "Content-Length": "0"}
    begun = admin.server.send("POST", "/v2/web/blobs/uploads/", headers)
    half = content[: 2 << 20]
    sent = admin.server.send("PATCH", begun.headers["location"], {**headers, "Content-Length": str(len(half))}, half)
    assert sent.status == 202
    calls.state.write_text(json.dumps({f"{host} web {blob.digest}": begun.headers["location"]}))
    await import_images(calls.caller(), packed.directory, "web", [])
    done = [event.done for event in calls.events if event.what == blob.digest and event.stage is Stage.COPYING]
    assert done[1] > len(half)
    assert calls.state.read_text() == "{}"


async def test_an_upload_of_other_content_is_begun_anew(calls: Calls, packed: Packed, admin: Account) -> None:
    admin.ecr.create_repository(repositoryName="web")
    with open_files(packed.directory) as files:
        source = LayoutSource(files)
        blob = (await source.manifest(source.images()[0].root)).blobs[-1]
    token = admin.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    host = f"{admin.id}.dkr.ecr.us-east-1.localhost:{admin.server.port}"
    headers = {"Host": host, "Authorization": f"Basic {token}", "Content-Length": "0"}
    begun = admin.server.send("POST", "/v2/web/blobs/uploads/", headers)
    admin.server.send("PATCH", begun.headers["location"], {**headers, "Content-Length": "7"}, b"garbage")
    calls.state.write_text(json.dumps({f"{host} web {blob.digest}": begun.headers["location"]}))
    await import_images(calls.caller(), packed.directory, "web", [])
    assert admin.ecr.describe_images(repositoryName="web")["imageDetails"][0]["imageDigest"] == packed.digest


@pytest.mark.parametrize("done", [True, False])
async def test_the_answer_to_the_end_of_an_upload_is_lost_and_the_upload_with_it(
    calls: Calls, packed: Packed, admin: Account, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    """Whether the registry has the blob by then or has dropped it."""
    send, lost = Connection._send, list[str]()  # pyright: ignore

    async def losing(self: Connection, method: str, path: str, *more: Any) -> aiohttp.ClientResponse:
        if method != "PUT" or "digest=" not in path or lost:
            return await send(self, method, path, *more)
        lost.append(path)
        (await send(self, "PUT" if done else "DELETE", path, *more)).release()
        raise aiohttp.ClientOSError("connection reset")

    monkeypatch.setattr(Connection, "_send", losing)
    await import_images(calls.caller(), packed.directory, "web", [])
    assert lost
    assert admin.ecr.describe_images(repositoryName="web")["imageDetails"][0]["imageDigest"] == packed.digest


async def test_wrong_content_is_never_pushed(calls: Calls, packed: Packed, admin: Account) -> None:
    blobs = packed.directory / "blobs" / "sha256"
    largest = max(blobs.iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[-1] ^= 1
    largest.write_bytes(content)
    with pytest.raises(DigestMismatch, match=largest.name):
        await import_images(calls.caller(), packed.directory, "web", [])
    assert admin.ecr.describe_images(repositoryName="web")["imageDetails"] == []


async def test_from_a_registry_of_others(calls: Calls, packed: Packed, admin: Account) -> None:
    """Anonymous with a token; a connection that breaks; blobs that are elsewhere, where the token does not go."""
    with token_registry.serve(packed.directory) as other:
        other.break_after = 1 << 20
        other.elsewhere = f"http://localhost:{other.port}"
        await copy_images(
            calls.caller(), f"{other.host}/lib/web:v1", "web", source_aws=None, all_tags=False, outside=False
        )
        assert other.broken
        assert all(not authorization for path, authorization in other.asked if path.startswith("/elsewhere/"))
    assert admin.ecr.describe_images(repositoryName="web")["imageDetails"][0]["imageDigest"] == packed.digest


async def test_with_what_docker_login_kept(calls: Calls, packed: Packed, tmp_path: Path) -> None:
    password = base64.b64encode(b"me:secret").decode()
    with token_registry.serve(packed.directory, user=f"Basic {password}") as other:
        with pytest.raises(Refused, match="gives no token: 401"):
            await _copy(calls, other)
        (tmp_path / "config.json").write_text(json.dumps({"auths": {other.host: {"auth": password}}}))
        await _copy(calls, other)


async def _copy(calls: Calls, other: TokenRegistry) -> None:
    await copy_images(calls.caller(), f"{other.host}/lib/web:v1", "web", source_aws=None, all_tags=False, outside=False)


async def test_plain_http_beyond_this_machine_is_not_spoken(calls: Calls, packed: Packed) -> None:
    with token_registry.serve(packed.directory) as other:
        other.elsewhere = "http://192.0.2.1"
        with pytest.raises(Refused, match=r"http://192\.0\.2\.1.* is not asked"):
            await _copy(calls, other)


def test_the_command_line(admin: Account, calls: Calls, packed: Packed, capsys: pytest.CaptureFixture[str]) -> None:
    from roadstead.cli.app import app

    options = ["--endpoint-url", calls.endpoint, "--region", "us-east-1"]
    app(["image", "import", str(packed.directory), "web", "--create", *options], result_action="return_value")
    output = capsys.readouterr().err
    assert "done (" in output
    assert f"v1 → {admin.id}.dkr.ecr.us-east-1.localhost:{admin.server.port}/web:v1 {packed.digest}" in output
    app(["image", "copy", "web:v1", "web:v2", *options], result_action="return_value")
    (detail,) = admin.ecr.describe_images(repositoryName="web")["imageDetails"]
    assert detail["imageTags"] == ["v1", "v2"]


def test_the_bars_of_a_terminal(admin: Account, calls: Calls, packed: Packed, tmp_path: Path) -> None:
    """One for each blob, drawn on a pseudo-terminal; what a pipe gets has none."""
    command = [sys.executable, "-m", "roadstead", "image", "import", str(packed.directory)]
    options = ["--create", "--endpoint-url", calls.endpoint, "--region", "us-east-1"]
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    first = on_terminal([*command, "web:1", *options], environment)
    assert first.status == 0, first.text
    (detail,) = admin.ecr.describe_images(repositoryName="web")["imageDetails"]
    assert (detail["imageDigest"], detail["imageTags"]) == (packed.digest, ["1"])
    manifest = json.loads((packed.directory / "blobs" / "sha256" / packed.digest.removeprefix("sha256:")).read_text())
    blobs = {part["digest"][:19] for part in (manifest["config"], *manifest["layers"])}
    last = first.text.rpartition(f"/web:1 {packed.digest}\n")[2]
    bars = {line.split()[0]: line for line in last.splitlines() if "━" in line}
    assert bars.keys() == blobs
    assert all(line.rstrip().endswith("done") for line in bars.values()), last
    assert "3.1/3.1 MB" in last
    assert re.search(r"\x1b\[\d*A", first.raw), "drawn over what was drawn before"

    again = on_terminal([*command, "web:2", *options], environment)
    assert again.status == 0, again.text
    assert f"/web:2 {packed.digest}" in again.text
    piped = subprocess.run(
        [*command, "web:3", *options], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert f"/web:3 {packed.digest}" in piped.stderr
    assert "\x1b" not in piped.stderr
    assert "━" not in piped.stderr


def test_outside_asks_the_host_itself(admin: Account, calls: Calls, packed: Packed, tmp_path: Path) -> None:
    """A name of AWS's form leads to the deployment, and with `--outside` to whoever has that name."""
    from roadstead.cli.app import app

    options = ["--endpoint-url", calls.endpoint, "--region", "us-east-1"]
    with token_registry.serve(packed.directory) as other:
        source = f"{admin.id}.dkr.ecr.us-east-1.localhost:{other.port}/lib/web:v1"
        for command in (["copy", source, "web:v1", "--create"], ["export", source, "--output", str(tmp_path / "out")]):
            with pytest.raises(CommandFailed, match="404 NAME_UNKNOWN"):
                app(["image", *command, *options], result_action="return_value")
            assert other.asked == []
            app(["image", *command, "--outside", *options], result_action="return_value")
            assert other.asked
            other.asked.clear()
    (detail,) = admin.ecr.describe_images(repositoryName="web")["imageDetails"]
    assert detail["imageDigest"] == packed.digest
    with open_files(tmp_path / "out") as files:
        (image,) = LayoutSource(files).images()
    assert image.root.digest == packed.digest


async def test_to_and_from_public_registries(admin: Account, calls: Calls, packed: Packed, tmp_path: Path) -> None:
    public = admin.server.client("ecr-public", admin.keys)
    alias = public.describe_registries()["registries"][0]["aliases"][0]["name"]
    public.create_repository(repositoryName="first")  # gives the registry its alias
    await import_images(calls.caller(), packed.directory, f"public.ecr.aws/{alias}/web", [])
    assert public.describe_images(repositoryName="web")["imageDetails"][0]["imageDigest"] == packed.digest
    host = f"public.ecr.localhost:{admin.server.port}"
    await copy_images(
        calls.caller(), f"{host}/{alias}/web:v1", "mirror", source_aws=None, all_tags=False, outside=False
    )
    assert admin.ecr.describe_images(repositoryName="mirror")["imageDetails"][0]["imageDigest"] == packed.digest
    other = Account(admin.server, admin.server.new_account())
    with pytest.MonkeyPatch.context() as patch:
        sign_as(patch, other.keys)
        await export_images(
            calls.caller(), [f"{host}/{alias}/web:v1"], tmp_path / "o", "oci", all_tags=False, outside=False
        )
        with pytest.raises(Refused, match="ecr-public:PutImage"):
            await import_images(calls.caller(), packed.directory, f"{host}/{alias}/web", [])
