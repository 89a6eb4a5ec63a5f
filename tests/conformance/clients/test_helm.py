"""Helm: charts as artifacts of a registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.clients import Client, Registry

HTTP = "--plain-http"
CHART = "apiVersion: v2\nname: web\ndescription: Serves one page\nversion: {version}\n"
TEMPLATE = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  page: "it runs"\n'
CHART_CONFIG = "application/vnd.cncf.helm.config.v1+json"


@pytest.fixture
def helm(client: Callable[[str], Client], registry: Registry) -> Client:
    """Helm, logged in to the private registry."""
    helm = client("helm")
    helm("registry", "login", HTTP, registry.host, "--username", "AWS", "--password-stdin", stdin=registry.password)
    return helm


def package(helm: Client, folder: Path, version: str) -> Path:
    """A packed chart `web` of a version."""
    chart = folder / "web"
    (chart / "templates").mkdir(parents=True, exist_ok=True)
    (chart / "Chart.yaml").write_text(CHART.format(version=version))
    (chart / "templates" / "page.yaml").write_text(TEMPLATE)
    helm("package", chart, "--destination", folder)
    return folder / f"web-{version}.tgz"


def test_push_list_pull_copy_and_delete(helm: Client, registry: Registry, tmp_path: Path) -> None:
    for name in ("charts/web", "mirror/web"):
        registry.create(name)
    charts, mirror = (f"oci://{registry.host}/{name}" for name in ("charts", "mirror"))
    for version in ("0.1.0", "0.2.0", "0.3.0-rc.1"):
        helm("push", HTTP, package(helm, tmp_path, version), charts)
    assert set(registry.images("charts/web")) == {"0.1.0", "0.2.0", "0.3.0-rc.1"}
    for wanted, found in (((), "0.2.0"), (("--version", "~0.1"), "0.1.0"), (("--devel",), "0.3.0-rc.1")):
        assert f"version: {found}\n" in helm("show", "chart", HTTP, *wanted, f"{charts}/web")
    assert "it runs" in helm("template", HTTP, "release", f"{charts}/web", "--version", "0.2.0")

    (tmp_path / "pulled").mkdir()
    helm("pull", HTTP, f"{charts}/web", "--version", "0.1.0", "--destination", tmp_path / "pulled")
    pulled = tmp_path / "pulled" / "web-0.1.0.tgz"
    assert pulled.read_bytes() == (tmp_path / "web-0.1.0.tgz").read_bytes()
    helm("push", HTTP, pulled, mirror)
    assert "version: 0.1.0\n" in helm("show", "chart", HTTP, f"{mirror}/web")

    ecr = registry.server.client("ecr")
    (detail,) = ecr.describe_images(repositoryName="mirror/web")["imageDetails"]
    assert detail["artifactMediaType"] == CHART_CONFIG
    ecr.batch_delete_image(repositoryName="charts/web", imageIds=[{"imageTag": "0.2.0"}])
    assert "version: 0.1.0\n" in helm("show", "chart", HTTP, f"{charts}/web")
    assert "not found" in helm.refused("pull", HTTP, f"{charts}/web", "--version", "0.2.0")


def test_build_metadata_in_a_version(helm: Client, registry: Registry, tmp_path: Path) -> None:
    """A `+` is none of a tag's characters: Helm writes `_`."""
    registry.create("built/web")
    charts = f"oci://{registry.host}/built"
    helm("push", HTTP, package(helm, tmp_path, "1.0.0+build.7"), charts)
    assert set(registry.images("built/web")) == {"1.0.0_build.7"}
    assert "version: 1.0.0+build.7\n" in helm("show", "chart", HTTP, f"{charts}/web", "--version", "1.0.0+build.7")


def test_a_public_chart(helm: Client, registry: Registry, tmp_path: Path) -> None:
    """Who signs in to the public registry pushes, everybody pulls."""
    registry.create_public("shown/web")
    charts, chart = f"oci://{registry.public_host}/{registry.alias}/shown", package(helm, tmp_path, "0.1.0")
    assert "401" in helm.refused("push", HTTP, chart, charts)
    password = registry.public_password
    helm("registry", "login", HTTP, registry.public_host, "--username", "AWS", "--password-stdin", stdin=password)
    helm("push", HTTP, chart, charts)
    helm("registry", "logout", registry.public_host)
    (tmp_path / "pulled").mkdir()
    helm("pull", HTTP, f"{charts}/web", "--version", "0.1.0", "--destination", tmp_path / "pulled")
    assert (tmp_path / "pulled" / chart.name).read_bytes() == chart.read_bytes()
    assert "version: 0.1.0\n" in helm("show", "chart", HTTP, f"{charts}/web")
    public = registry.server.client("ecr-public")
    (detail,) = public.describe_images(repositoryName="shown/web")["imageDetails"]
    assert (detail["imageTags"], detail["artifactMediaType"]) == (["0.1.0"], CHART_CONFIG)


def test_who_is_logged_out_is_refused(helm: Client, registry: Registry, tmp_path: Path) -> None:
    registry.create("closed/web")
    helm("registry", "logout", registry.host)
    told = helm.refused("push", HTTP, package(helm, tmp_path, "0.1.0"), f"oci://{registry.host}/closed")
    assert "credential not found" in told
