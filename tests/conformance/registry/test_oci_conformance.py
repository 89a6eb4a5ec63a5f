"""The OCI distribution specification's own suite against the registry, optional parts and those of its next version included."""

from __future__ import annotations

import asyncio
import base64
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from tests.service.registry.harness import Harness, running_registry

from roadstead.engines.catalog import Catalog

SUITE = "oci-conformance"
SECONDS = 240.0
REPOSITORIES = ("conformance/repo1", "conformance/repo2")
PREFIX = "OCI Conformance Test/"

SKIPPED = {
    "sha256 blobs/mount anonymous/blob-mount-anonymous": "mounting without `from` is a MAY, and would tell who may not read "
    "the other repositories which blobs they hold",
    "sha512 blobs/mount anonymous/blob-mount-anonymous": "the same, by the other algorithm",
}
"""What the suite skips when we answer as the specification lets a registry without that feature answer, and why we do."""

SETTINGS = {
    "OCI_TLS": "disabled",
    "OCI_VERSION": "dev",  # 1.1, and what is merged since: cancelled uploads, digest headers required, tags as parameters
    # OCI_DATA_SPARSE is off, as in the suite's own defaults: a registry MAY refuse manifests whose parts are not there, ECR does.
    "OCI_DATA_SPARSE": "false",
}


async def test_every_test_of_the_specification_passes(tmp_path: Path) -> None:
    suite = (await Catalog.load().ensure([SUITE]))[SUITE].path(SUITE)
    async with running_registry(tmp_path) as registry:
        for name in REPOSITORIES:
            await registry.create_repository(name)
        output = await _run(suite, await _environment(registry), tmp_path)
    report = tmp_path / "results" / "junit.xml"
    assert report.is_file(), output
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    outcomes = {str(case.get("name")).removeprefix(PREFIX): str(case.get("status")) for case in cases}
    faults = [_told(case) for case in cases if case.get("status") not in ("passed", "skipped")]
    assert not faults, "\n".join(faults)
    assert {name for name, status in outcomes.items() if status == "skipped"} == set(SKIPPED)
    assert len(cases) >= 780, "the suite ran less of itself than it has"


async def _environment(registry: Harness) -> dict[str, str]:
    user, _, password = base64.b64decode(await registry.token()).decode().partition(":")
    return {
        **SETTINGS,
        "OCI_REGISTRY": f"127.0.0.1:{registry.port}",
        "OCI_REPO1": REPOSITORIES[0],
        "OCI_REPO2": REPOSITORIES[1],
        "OCI_USERNAME": user,
        "OCI_PASSWORD": password,
        "OCI_RESULTS_DIR": "results",
    }


async def _run(suite: Path, environment: dict[str, str], folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        suite, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return output.decode(errors="replace")


def _told(case: ElementTree.Element) -> str:
    return f"{case.get('name')}: {case.findtext('system-out')}\n{(case.findtext('system-err') or '')[-3000:]}"
