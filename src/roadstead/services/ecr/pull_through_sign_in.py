"""How a pull through cache rule signs in upstream: with a secret, or as a role.

Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache.html and pull-through-cache-private.html: secrets are for
registries of others, a role is for ECR, and needed where the upstream is another account's.
"""

from __future__ import annotations

from collections.abc import Mapping

from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.kernel.errors import NotImplementedByRoadstead
from roadstead.kernel.settings import Credential, Deployment
from roadstead.services.accounts.api import account_exists
from roadstead.services.ecr.errors import (
    InvalidParameterException,
    SecretNotFoundException,
    UnsupportedUpstreamRegistryException,
)
from roadstead.services.ecr.upstream_errors import UnableToAccessSecretException
from roadstead.services.ecr.upstream_local import CACHE_SERVICE
from roadstead.services.ecr.upstreams import ECR, NamedRegistry, RegistryHere
from roadstead.services.iam.api import ensure_linked_role, pass_to_service
from roadstead.services.operation import Context


async def check_first_sign_in(ctx: Context, upstream: NamedRegistry, request: Mapping[str, object]) -> None:
    """Return when a new rule of the caller's registry may get at its upstream with what the request names.

    Raises InvalidParameterException, UnsupportedUpstreamRegistryException, SecretNotFoundException, UnableToAccessSecretException, AccessDenied.
    """
    await check_sign_in(ctx, upstream, request)
    here = upstream.here
    if here is None:
        if upstream.needs_credentials and "credentialArn" not in request:
            raise InvalidParameterException.at("credentialArn", f"credentials are required for {upstream.host}")
        return
    if here == RegistryHere(ctx.account, ctx.region):
        raise InvalidParameterException.at("upstreamRegistryUrl", "the upstream must be another registry")
    if not await account_exists(ctx.tx, here.account):
        raise UnsupportedUpstreamRegistryException.of(upstream.host, ECR)
    if request.get("customRoleArn"):
        return
    if here.account != ctx.account:
        raise InvalidParameterException.at("customRoleArn", "a role is required for a registry of another account")
    await ensure_linked_role(ctx, CACHE_SERVICE)


async def check_sign_in(ctx: Context, upstream: NamedRegistry, request: Mapping[str, object]) -> None:
    """Return when the secret or the role of a request is of use for an upstream, and the caller may pass the role."""
    secret, role = request.get("credentialArn"), request.get("customRoleArn")
    if secret is not None:
        if upstream.here is not None:
            raise InvalidParameterException.at("credentialArn", "a registry of ECR is reached with a role")
        _require_own(ctx, str(secret))
        secret_of(ctx.deployment, str(secret))
    if not role:
        return
    if upstream.here is None:
        if upstream.name in (None, ECR):
            raise NotImplementedByRoadstead(
                "ecr: customRoleArn of rules for a registry outside of this deployment is not implemented by Roadstead."
            )
        raise InvalidParameterException.at("customRoleArn", f"{upstream.host} is not reached with a role")
    if not _is_role_of(str(role), ctx.account):
        raise InvalidParameterException.at("customRoleArn", "it must be a role of the account of the registry")
    await pass_to_service(ctx, [str(role)], CACHE_SERVICE)


def secret_of(deployment: Deployment, arn: str) -> Credential:
    """The credentials that a `credentialArn` names; raises SecretNotFoundException.

    Secrets Manager is not built: the settings have them by the secret's name, with or without the six characters that it adds.
    """
    name = Arn.parse(arn).resource.removeprefix("secret:")
    secrets = deployment.pull_through.secrets
    found = secrets.get(name) or secrets.get(name[:-7] if name[-7:-6] == "-" else name)
    if found is None:
        raise SecretNotFoundException.of(arn)
    return found


def _require_own(ctx: Context, secret: str) -> None:
    """A secret must be of the account and region of its rule: pull-through-cache-creating-rule.html."""
    arn = Arn.parse(secret)
    if (arn.account, arn.region) != (ctx.account, ctx.region):
        raise UnableToAccessSecretException.of(secret)


def _is_role_of(text: str, account: str) -> bool:
    try:
        arn = Arn.parse(text)
    except InvalidArn:
        return False
    return arn.service == "iam" and arn.account == account and arn.resource.startswith("role/")
