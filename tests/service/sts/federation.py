"""Accounts that trust an identity provider, and clients that sign nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from tests.service.sts.callers import role, trust
from tests.support.issuer import AUDIENCE, Issuer
from tests.support.server import Account, Refusal, refusal

NO_KEY = "Couldn't retrieve verification key from your identity provider"


@dataclass
class Federation:
    """An account that trusts a provider, and a client that signs nothing."""

    account: Account
    issuer: Issuer
    provider: str
    sts: Any

    def principal(self) -> dict[str, str]:
        return {"Federated": self.provider}

    def trusted(self, condition: dict[str, Any] | None = None, *actions: str) -> dict[str, Any]:
        return trust(self.principal(), "sts:AssumeRoleWithWebIdentity", *actions, condition=condition)

    def role(self, name: str = "pod", condition: dict[str, Any] | None = None, *actions: str, **more: Any) -> str:
        return role(self.account, name, self.trusted(condition, *actions), **more)

    def assume(self, arn: str, token: str, **more: Any) -> Any:
        return self.sts.assume_role_with_web_identity(
            RoleArn=arn, RoleSessionName="pod", WebIdentityToken=token, **more
        )

    def refused(self, arn: str, token: str, **more: Any) -> Refusal:
        return refusal(self.assume, arn=arn, token=token, **more)


def federation(account: Account, provider: Issuer, **more: Any) -> Federation:
    given = {"ClientIDList": [AUDIENCE], **more}
    made = account.iam.create_open_id_connect_provider(Url=provider.url, **given)
    sts = boto3.client(
        "sts",
        endpoint_url=f"http://127.0.0.1:{account.server.port}",
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
    )
    return Federation(account, provider, made["OpenIDConnectProviderArn"], sts)
