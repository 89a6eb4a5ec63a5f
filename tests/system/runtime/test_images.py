"""Pulling from a registry that answers like ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from examples.oci_image import ImageSpec, pack
from tests.support.fake_registry import TOKEN, basic

from roadstead.agent.runtime import CannotPullContainer, ImageNotFound, Isolation, PullDenied, RegistryUnreachable

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]


async def test_a_present_image_is_asked_for_but_not_fetched_again(bench: Any) -> None:
    fetched = bench.registry.blob_requests()
    asked = len(bench.registry.requests)
    again = await bench.runtime.ensure_image(bench.registry.reference("web"), TOKEN)
    assert again == bench.image
    assert bench.registry.blob_requests() == fetched > 0
    assert bench.registry.requests[asked:] == [("HEAD", "/v2/web/manifests/web", f"localhost:{bench.registry.port}")]


async def test_a_present_image_is_not_for_those_who_may_not_pull_it(bench: Any) -> None:
    with pytest.raises(PullDenied, match=r"CannotPullContainerError: .*Not Authorized"):
        await bench.runtime.ensure_image(bench.registry.reference("web"), basic("AWS", "wrong"))
    with pytest.raises(PullDenied):
        await bench.runtime.ensure_image(bench.registry.reference("web"), None)


async def test_what_is_not_there_is_not_found(bench: Any) -> None:
    with pytest.raises(
        ImageNotFound, match=r"CannotPullContainerError: failed to resolve ref localhost:\d+/gone:gone: .*: not found"
    ):
        await bench.runtime.ensure_image(bench.registry.reference("gone"), TOKEN)


async def test_every_registry_name_is_answered_by_ours(bench: Any) -> None:
    name = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    image = await bench.runtime.ensure_image(f"{name}/web:web", TOKEN)
    assert image.digest == bench.image.digest
    assert bench.registry.requests[-1][2] == name
    with pytest.raises(ImageNotFound, match=r"docker\.io/library/nginx:latest: not found"):
        await bench.runtime.ensure_image("nginx", TOKEN)


async def test_a_tag_that_moved_is_pulled_anew(bench: Any, tmp_path: Path) -> None:
    pack(tmp_path / "layout", ImageSpec(name="web", files={"/www/new": b"new"}, random_layers=(300_000,)))
    seen: list[int] = []
    moved = await bench.runtime.ensure_image(bench.registry.reference("web"), TOKEN, lambda p: seen.append(p.done))
    assert moved.digest != bench.image.digest
    bench.image = moved
    _, out, _ = await bench.run(await bench.task(Isolation.RUNC), "cat /www/new; ls -l /data")
    assert out.startswith("new")


async def test_an_image_for_another_machine_is_refused(bench: Any, tmp_path: Path) -> None:
    pack(tmp_path / "layout", ImageSpec(name="alien", architecture="s390x"))
    with pytest.raises(CannotPullContainer, match="platform"):
        await bench.runtime.ensure_image(bench.registry.reference("alien"), TOKEN)


async def test_a_broken_layer_fails_the_pull_and_leaves_no_image(bench: Any, tmp_path: Path) -> None:
    packed = pack(tmp_path / "layout", ImageSpec(name="bent", random_layers=(200_000,)))
    before = bench.registry.answer

    def bent(path: str, authorization: str | None) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = before(path, authorization)
        return status, headers, body[:-1] + b"?" if "/blobs/" in path and 150_000 < len(body) < 400_000 else body

    bench.registry.answer = bent
    with pytest.raises(CannotPullContainer, match=r"CannotPullContainerError: failed to copy"):
        await bench.runtime.ensure_image(bench.registry.reference("bent"), TOKEN)
    bench.registry.answer = before
    assert (await bench.runtime.ensure_image(bench.registry.reference("bent"), TOKEN)).digest == packed.digest


async def test_a_registry_in_trouble_is_told_from_one_that_refuses(bench: Any) -> None:
    bench.registry.refuse = (503, "draining")
    with pytest.raises(RegistryUnreachable, match=r"503.*draining"):
        await bench.runtime.ensure_image(bench.registry.reference("web"), TOKEN)
    bench.registry.refuse = (
        403,
        "User: arn:aws:iam::000000000000:user/x is not authorized to perform: ecr:BatchGetImage",
    )
    with pytest.raises(PullDenied, match="is not authorized to perform: ecr:BatchGetImage"):
        await bench.runtime.ensure_image(bench.registry.reference("web"), TOKEN)


@pytest.mark.parametrize("trouble", ["503", "half a layer", "no answer"])
async def test_a_registry_that_breaks_off_a_pull_is_asked_again(bench: Any, tmp_path: Path, trouble: str) -> None:
    packed = pack(
        tmp_path / "layout", ImageSpec(name="cut", files={"/trouble": trouble.encode()}, random_layers=(2 << 20,))
    )
    before = bench.registry.answer

    def broken(path: str, authorization: str | None) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = before(path, authorization)
        if "/blobs/" not in path or len(body) < 1 << 20:
            return status, headers, body
        if trouble == "503":
            return 503, {}, b'{"errors":[{"code":"UNAVAILABLE","message":"draining"}]}'
        if trouble == "half a layer":
            return status, {**headers, "Content-Length": str(len(body)), "Connection": "close"}, body[: len(body) // 2]
        raise BrokenPipeError("as if the server had died")

    bench.registry.answer = broken
    with pytest.raises(RegistryUnreachable, match=r"CannotPullContainerError: failed to copy"):
        await bench.runtime.ensure_image(bench.registry.reference("cut"), TOKEN)
    bench.registry.answer = before
    assert (await bench.runtime.ensure_image(bench.registry.reference("cut"), TOKEN)).digest == packed.digest


async def test_images_that_nothing_keeps_are_removed(bench: Any) -> None:
    repository = f"localhost:{bench.registry.port}/web"
    name = f"{repository}@{bench.image.digest}"
    assert await bench.runtime.remove_unused_images({name}, 0) == []
    assert await bench.runtime.remove_unused_images(set(), 3600) == []
    assert await bench.runtime.remove_unused_images(set(), 0) == [name]
    assert await bench.runtime.remove_unused_images(set(), 0) == []
    assert (await bench.runtime.ensure_image(bench.registry.reference("web"), TOKEN)).digest == bench.image.digest
