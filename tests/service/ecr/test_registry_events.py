"""Every change of what belongs to a registry as a whole is told in the outbox."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.service.registry.harness import ACCOUNT, REGION, Harness

from roadstead.services.ecr.errors import RegistryPolicyNotFoundException, TemplateNotFoundException
from roadstead.store import outbox

Told = tuple[str, Mapping[str, Any]]
"""The region of an event, and its payload."""


async def told(ecr: Harness, topic: str = "ecr.registry") -> list[Told]:
    async with ecr.store.snapshot() as tx:
        table = outbox.outbox
        rows = await tx.execute(table.select().where(table.c.topic == topic).order_by(table.c.id))
        return [(row.region, dict(row.payload)) for row in rows]


async def test_the_private_registry(ecr: Harness) -> None:
    statement = {"Sid": "a", "Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "ecr:*"}
    everything = {**statement, "Resource": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/*"}
    await ecr.api("PutRegistryPolicy", {"policyText": json.dumps({"Version": "2012-10-17", "Statement": [everything]})})
    await ecr.api("DeleteRegistryPolicy", {})
    await ecr.api("PutAccountSetting", {"name": "BLOB_MOUNTING", "value": "DISABLED"})
    rule = {"ecrRepositoryPrefix": "quay"}
    await ecr.api("CreatePullThroughCacheRule", {**rule, "upstreamRegistryUrl": "quay.io"})
    await ecr.api("DeletePullThroughCacheRule", rule)
    await ecr.api("CreateRepositoryCreationTemplate", {"prefix": "apps", "appliedFor": ["CREATE_ON_PUSH"]})
    await ecr.api("UpdateRepositoryCreationTemplate", {"prefix": "apps", "description": "apps"})
    await ecr.api("DeleteRepositoryCreationTemplate", {"prefix": "apps"})
    scanner = {"principalArn": f"arn:aws:iam::{ACCOUNT}:role/scanner"}
    await ecr.api("RegisterPullTimeUpdateExclusion", scanner)
    await ecr.api("DeregisterPullTimeUpdateExclusion", scanner)
    changes: list[Mapping[str, Any]] = [
        {"change": "policy"},
        {"change": "policy"},
        {"change": "setting", "name": "BLOB_MOUNTING", "value": "DISABLED"},
        {"change": "rule-created", "prefix": "quay"},
        {"change": "rule-deleted", "prefix": "quay"},
        {"change": "template-created", "prefix": "apps"},
        {"change": "template-updated", "prefix": "apps"},
        {"change": "template-deleted", "prefix": "apps"},
        {"change": "exclusion-created", **scanner},
        {"change": "exclusion-deleted", **scanner},
    ]
    assert await told(ecr) == [(REGION, change) for change in changes]


async def test_what_is_refused_is_not_told(ecr: Harness) -> None:
    with pytest.raises(RegistryPolicyNotFoundException):
        await ecr.api("DeleteRegistryPolicy", {})
    with pytest.raises(TemplateNotFoundException):
        await ecr.api("DeleteRepositoryCreationTemplate", {"prefix": "apps"})
    assert await told(ecr) == []


async def test_the_public_registry(ecr: Harness) -> None:
    await ecr.api("PutRegistryCatalogData", {"displayName": "Team"}, service="ecr-public")
    await ecr.api("PutRegistryAlias", {"name": "team-web", "primary": True}, service="roadstead")
    await ecr.api("DeleteRegistryAlias", {"name": "team-web"}, service="roadstead")
    found = await told(ecr)
    assert {region for region, _ in found} == {"public"}
    default = found[1][1]["alias"]
    assert [change for _, change in found] == [
        {"change": "catalog", "displayName": "Team"},
        {"change": "alias-created", "alias": default},
        {"change": "alias-created", "alias": "team-web"},
        {"change": "alias-primary", "alias": "team-web"},
        {"change": "alias-deleted", "alias": "team-web"},
        {"change": "alias-primary", "alias": default},
    ]


async def test_the_catalog_data_of_a_public_repository(ecr: Harness) -> None:
    await ecr.api("CreateRepository", {"repositoryName": "web"}, service="ecr-public")
    about = {"repositoryName": "web", "catalogData": {"description": "a page"}}
    await ecr.api("PutRepositoryCatalogData", about, service="ecr-public")
    assert [change["change"] for _, change in await told(ecr, "ecr.repository")] == ["created", "catalog"]
