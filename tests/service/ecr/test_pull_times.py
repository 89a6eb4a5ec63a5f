"""When images were pulled, and who leaves no trace in that."""

from __future__ import annotations

from typing import Any

import pytest
from tests.service.registry.harness import ACCOUNT, OTHER_ACCOUNT, Harness, user

from roadstead.services.ecr import errors
from roadstead.store import StoreBusy, outbox

SCANNER = f"arn:aws:iam::{ACCOUNT}:user/scanner"


async def pulled_at(ecr: Harness) -> Any:
    await ecr.pulls.moments.flush()
    (image,) = (await ecr.api("DescribeImages", {"repositoryName": "web"}))["imageDetails"]
    return image.get("lastRecordedPullTime")


async def test_register_list_deregister(ecr: Harness) -> None:
    arns = [f"arn:aws:iam::{ACCOUNT}:role/r{number}" for number in range(3)]
    for arn in reversed(arns):
        registered = await ecr.api("RegisterPullTimeUpdateExclusion", {"principalArn": arn})
        assert registered == {"principalArn": arn, "createdAt": registered["createdAt"]}
    with pytest.raises(errors.ExclusionAlreadyExistsException):
        await ecr.api("RegisterPullTimeUpdateExclusion", {"principalArn": arns[0]})
    first = await ecr.api("ListPullTimeUpdateExclusions", {"maxResults": 2})
    rest = await ecr.api("ListPullTimeUpdateExclusions", {"maxResults": 2, "nextToken": first["nextToken"]})
    assert first["pullTimeUpdateExclusions"] + rest["pullTimeUpdateExclusions"] == arns
    assert (await ecr.api("ListPullTimeUpdateExclusions", {}, region="eu-west-1"))["pullTimeUpdateExclusions"] == []
    assert await ecr.api("DeregisterPullTimeUpdateExclusion", {"principalArn": arns[0]}) == {"principalArn": arns[0]}
    with pytest.raises(errors.ExclusionNotFoundException):
        await ecr.api("DeregisterPullTimeUpdateExclusion", {"principalArn": arns[0]})


async def test_pulls_of_an_excluded_principal_are_not_recorded(ecr: Harness) -> None:
    await ecr.create_repository("web")
    digest = await ecr.push_image("web", "v1")
    await ecr.allow("scanner", [{"Effect": "Allow", "Action": "*", "Resource": "*"}])
    scanner = user("scanner")
    await ecr.api("RegisterPullTimeUpdateExclusion", {"principalArn": SCANNER})
    await ecr.api("RegisterPullTimeUpdateExclusion", {"principalArn": SCANNER}, principal=user(account=OTHER_ACCOUNT))
    token = await ecr.token(scanner)
    assert (await ecr.http("GET", "/v2/web/manifests/v1", token=token)).status == 200
    request = {"repositoryName": "web", "imageIds": [{"imageDigest": digest}]}
    assert (await ecr.api("BatchGetImage", request, principal=scanner))["images"]
    assert await pulled_at(ecr) is None
    await ecr.api("DeregisterPullTimeUpdateExclusion", {"principalArn": SCANNER})
    assert (await ecr.http("GET", "/v2/web/manifests/v1")).status == 200
    assert await pulled_at(ecr) is not None


async def told(ecr: Harness) -> list[tuple[str, str, dict[str, Any]]]:
    await ecr.pulls.activity.flush()
    async with ecr.store.snapshot() as tx:
        table = outbox.outbox
        rows = await tx.execute(table.select().where(table.c.topic == "ecr.activity").order_by(table.c.id))
        return [(row.account, row.region, dict(row.payload)) for row in rows]


async def test_every_pull_and_login_is_told_of(ecr: Harness) -> None:
    """As CloudWatch's metrics count them: each pull, also one that leaves no time, and each token that is given out."""
    for name in ("web", "api"):
        await ecr.create_repository(name)
        await ecr.push_image(name, "v1")
    token = await ecr.token()
    before = await told(ecr)
    assert before[-1][2]["logins"] > 0, "pushes of this test"
    assert not before[-1][2]["pulls"], "a push pulls nothing"
    assert await told(ecr) == before, "nothing happened, nothing is told"
    for _ in range(3):
        assert (await ecr.http("GET", "/v2/web/manifests/v1", token=token)).status == 200
    assert (await ecr.http("HEAD", "/v2/web/manifests/v1", token=token)).status == 200
    assert (await ecr.http("GET", "/v2/web/manifests/none", token=token)).status == 404
    request = {"repositoryName": "api", "imageIds": [{"imageTag": "v1"}, {"imageTag": "none"}]}
    assert (await ecr.api("BatchGetImage", request))["images"]
    await ecr.token(region="eu-west-1")
    (elsewhere, here) = (await told(ecr))[len(before) :]
    assert elsewhere[:2] == (ACCOUNT, "eu-west-1")
    assert (elsewhere[2]["logins"], elsewhere[2]["pulls"]) == (1, {})
    assert here[:2] == (ACCOUNT, "us-east-1")
    assert (here[2]["logins"], here[2]["pulls"]) == (0, {"web": 3, "api": 1})
    assert before[-1][2]["until"] <= here[2]["since"] <= here[2]["until"]


async def test_what_can_not_be_told_is_told_later(ecr: Harness) -> None:
    await ecr.create_repository("web")
    await ecr.push_image("web", "v1")
    token = await ecr.token()
    await told(ecr)
    run = ecr.store.run

    async def refuse(*_: object, **__: object) -> Any:
        raise StoreBusy("no")

    assert (await ecr.http("GET", "/v2/web/manifests/v1", token=token)).status == 200
    ecr.store.run = refuse
    with pytest.raises(StoreBusy):
        await ecr.pulls.activity.flush()
    ecr.store.run = run
    assert (await ecr.http("GET", "/v2/web/manifests/v1", token=token)).status == 200
    assert (await told(ecr))[-1][2]["pulls"] == {"web": 2}
