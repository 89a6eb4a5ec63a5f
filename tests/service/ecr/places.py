"""Registries of several accounts and regions of one deployment, for tests of caches between them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert
from tests.service.registry.harness import (
    ACCOUNT,
    OTHER_ACCOUNT,
    REGION,
    Answer,
    Harness,
    digest_of,
    image_manifest,
    user,
)

from roadstead.access.principal import Principal
from roadstead.access.tables import accounts

SERVICE = "pullthroughcache.ecr.amazonaws.com"
PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchImportUpstreamImage"]
PUSH = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"]


@dataclass(frozen=True)
class Place:
    """The registry of an account in a region, used by the account's administrator."""

    ecr: Harness
    account: str = ACCOUNT
    region: str = REGION

    @property
    def url(self) -> str:
        return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com"

    @property
    def admin(self) -> Principal:
        return user(account=self.account)

    async def api(self, operation: str, request: Mapping[str, object], *, service: str = "ecr") -> Any:
        return await self.ecr.api(operation, request, principal=self.admin, region=self.region, service=service)

    async def http(
        self, method: str, path: str, body: bytes = b"", *, by: Principal | None = None, **headers: str
    ) -> Answer:
        token = await self.ecr.token(by or self.admin, self.region)
        host = f"{self.account}.dkr.ecr.{self.region}.localhost:{self.ecr.port}"
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ecr.http(method, path, body, sent, token=token, host=host)

    async def push(self, name: str, tag: str, seed: bytes = b"layer") -> str:
        """Push an image with two blobs; returns its digest."""
        config, layer = b'{"os":"linux","seed":"%b"}' % seed, b"layer of " + seed
        for blob in (config, layer):
            sent = await self.http("POST", f"/v2/{name}/blobs/uploads/?digest={digest_of(blob)}", blob)
            assert sent.status == 201, sent
        return await self.put(name, tag, image_manifest(config, [layer]))

    async def put(self, name: str, reference: str, manifest: bytes) -> str:
        media_type = str(json.loads(manifest)["mediaType"])
        answer = await self.http("PUT", f"/v2/{name}/manifests/{reference}", manifest, Content_Type=media_type)
        assert answer.status == 201, answer
        return answer.headers["docker-content-digest"]

    async def pull(self, name: str, reference: str, *, by: Principal | None = None) -> Answer:
        return await self.http("GET", f"/v2/{name}/manifests/{reference}", by=by)

    async def pulled(self, name: str, reference: str) -> str:
        """Pull an image with all its blobs; returns its digest."""
        answer = await self.pull(name, reference)
        assert answer.status == 200, answer
        for descriptor in [answer.json["config"], *answer.json["layers"]]:
            blob = await self.http("GET", f"/v2/{name}/blobs/{descriptor['digest']}")
            assert (blob.status, digest_of(blob.body)) == (200, descriptor["digest"])
        return answer.headers["docker-content-digest"]

    async def rule(self, upstream: Place, prefix: str = "cache", **more: object) -> Any:
        request = {"ecrRepositoryPrefix": prefix, "upstreamRegistryUrl": upstream.url, "upstreamRegistry": "ecr"}
        return await self.api("CreatePullThroughCacheRule", {**request, **more})

    async def role(self, name: str, actions: Sequence[str], *, service: str = SERVICE) -> str:
        """A role that a service may be; returns its ARN."""
        trust = policy({"Principal": {"Service": service}, "Action": "sts:AssumeRole"})
        made = await self.api("CreateRole", {"RoleName": name, "AssumeRolePolicyDocument": trust}, service="iam")
        document = policy({"Action": list(actions), "Resource": "*"})
        request = {"RoleName": name, "PolicyName": "p", "PolicyDocument": document}
        await self.api("PutRolePolicy", request, service="iam")
        return str(made["Role"]["Arn"])

    async def let_in(self, name: str, account: str, actions: Sequence[str]) -> None:
        """Set the policy of a repository: another account may do these actions."""
        text = policy({"Principal": {"AWS": account}, "Action": list(actions)})
        await self.api("SetRepositoryPolicy", {"repositoryName": name, "policyText": text})

    async def failure(self, name: str, tag: str) -> tuple[str, str]:
        """Code and reason of BatchGetImage's failure."""
        request = {"repositoryName": name, "imageIds": [{"imageTag": tag}]}
        (failure,) = (await self.api("BatchGetImage", request))["failures"]
        return failure["failureCode"], failure["failureReason"]


def policy(*statements: Mapping[str, object]) -> str:
    allowing = [{"Effect": "Allow", **statement} for statement in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": allowing})


async def add_accounts(ecr: Harness) -> None:
    """Make both accounts known to the deployment, which the harness leaves out."""
    now = ecr.clock.now()
    rows = [{"account": account, "name": account, "created_at": now} for account in (ACCOUNT, OTHER_ACCOUNT)]
    await ecr.store.run(lambda tx: tx.execute(insert(accounts), rows))
