"""What lifecycle policies must not do when something is wrong: with a policy, its numbers, the server or its lease."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.service.ecr.lifecycle import WEB, events, leading, policy, push, put, rule, run, tags
from tests.service.registry.harness import ACCOUNT, REGION, Harness

from roadstead.controllers.image_lifecycle import reconcile
from roadstead.services.ecr import api, errors
from roadstead.services.ecr.tables import lifecycle_previews, repositories
from roadstead.store import Transaction
from roadstead.store.leases import StaleLease


async def test_a_server_that_lost_its_lease_expires_nothing(ecr: Harness) -> None:
    await ecr.create_repository("web")
    await push(ecr, "v1", "v2")
    await put(ecr, policy(rule()))
    async with leading(ecr) as stale:
        pass
    async with leading(ecr, "b"):
        with pytest.raises(StaleLease):
            await reconcile(stale)
    assert await tags(ecr) == ["v1", "v2"]


async def test_a_policy_that_is_not_valid_any_more_fails_alone(ecr: Harness) -> None:
    for name in ("broken", "web"):
        await ecr.create_repository(name)
    await push(ecr, "v1", "v2")
    broken, text = {"repositoryName": "broken"}, policy(rule())
    await ecr.api("PutLifecyclePolicy", {**broken, "lifecyclePolicyText": text})
    await ecr.api("StartLifecyclePolicyPreview", broken)
    ecr.clock.offset += timedelta(seconds=1)
    await put(ecr, text)

    async def write(tx: Transaction) -> None:
        """As an earlier release, whose rules were others, may have left it."""
        for table, column in ((repositories, "lifecycle_policy"), (lifecycle_previews, "policy")):
            of_broken = table.c.repository == "broken"
            await tx.execute(table.update().where(of_broken).values(**{column: '{"rules":[]}'}))

    await ecr.store.run(write)
    with capture_logs() as logs:
        await run(ecr)
    assert await tags(ecr) == ["v2"], "the other repository's policy is carried out"
    assert {str(entry["resource"]) for entry in logs if entry["log_level"] == "error"} == {
        f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/broken"
    }
    assert (await ecr.api("GetLifecyclePolicyPreview", broken))["status"] == "FAILED"
    assert "lastEvaluatedAt" not in await ecr.api("GetLifecyclePolicy", broken)
    (failed,) = [event for event in await events(ecr, "ecr.lifecycle") if "failure" in event]
    assert (failed["repository"], "too short" in failed["failure"]) == ("broken", True)
    with pytest.raises(errors.InvalidParameterException, match="array is too short"):
        await ecr.api("StartLifecyclePolicyPreview", broken)
    await ecr.api("PutLifecyclePolicy", {**broken, "lifecyclePolicyText": text})
    await run(ecr)
    assert "lastEvaluatedAt" in await ecr.api("GetLifecyclePolicy", broken)


async def test_an_age_beyond_the_calendar_is_that_of_no_image(ecr: Harness) -> None:
    await ecr.create_repository("web")
    await push(ecr, "v1")
    for days in (1_000_000, 10**12):
        await put(ecr, policy(rule(2**31 - 1, countType="sinceImagePushed", countUnit="days", countNumber=days)))
        await ecr.api("StartLifecyclePolicyPreview", WEB)
        await run(ecr)
        assert (await ecr.api("GetLifecyclePolicyPreview", WEB))["status"] == "COMPLETE"
        assert "lastEvaluatedAt" in await ecr.api("GetLifecyclePolicy", WEB)
    assert await tags(ecr) == ["v1"]


async def test_the_largest_priority_can_be_previewed(ecr: Harness) -> None:
    await ecr.create_repository("web")
    await push(ecr, "v1", "v2")
    await ecr.api("StartLifecyclePolicyPreview", {**WEB, "lifecyclePolicyText": policy(rule(2**31 - 1))})
    await run(ecr)
    (result,) = (await ecr.api("GetLifecyclePolicyPreview", WEB))["previewResults"]
    assert result["appliedRulePriority"] == 2**31 - 1


@pytest.mark.parametrize("step", ["marked_images", "carry_out", "finish_preview"])
async def test_what_fails_for_no_known_reason_fails_alone(
    ecr: Harness, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    for name in ("broken", "web"):
        await ecr.create_repository(name)
        await ecr.push_image(name, "v1")
        ecr.clock.offset += timedelta(seconds=1)
        await ecr.push_image(name, "v2", b"other")
    for name in ("broken", "web"):
        await ecr.api("PutLifecyclePolicy", {"repositoryName": name, "lifecyclePolicyText": policy(rule())})
        await ecr.api("StartLifecyclePolicyPreview", {"repositoryName": name})
        ecr.clock.offset += timedelta(seconds=1)
    works = getattr(api, step)

    async def fails(*args: Any, **more: Any) -> Any:
        if "broken" in repr((args, more)):
            raise ArithmeticError("secret of the server")
        return await works(*args, **more)

    monkeypatch.setattr(api, step, fails)
    with capture_logs() as logs:
        await run(ecr)
    assert await tags(ecr) == ["v2"], "the other repository's policy is carried out"
    assert (await ecr.api("GetLifecyclePolicyPreview", WEB))["status"] == "COMPLETE"
    wrong = [entry for entry in logs if entry["log_level"] == "error"]
    assert wrong
    assert all(entry["resource"].endswith("repository/broken") and entry["exc_info"] for entry in wrong)
    previewed = (await ecr.api("GetLifecyclePolicyPreview", {"repositoryName": "broken"}))["status"]
    assert previewed == ("COMPLETE" if step == "carry_out" else "FAILED")
    failed = [event["failure"] for event in await events(ecr, "ecr.lifecycle") if "failure" in event]
    assert failed == ([] if step == "finish_preview" else ["the policy can't be evaluated (ArithmeticError)"])
    monkeypatch.undo()
    ecr.clock.offset += timedelta(hours=1)
    await ecr.api("StartLifecyclePolicyPreview", {"repositoryName": "broken"})
    await run(ecr)
    assert (await ecr.api("GetLifecyclePolicyPreview", {"repositoryName": "broken"}))["status"] == "COMPLETE"
    assert "lastEvaluatedAt" in await ecr.api("GetLifecyclePolicy", {"repositoryName": "broken"})
