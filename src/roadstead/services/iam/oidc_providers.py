"""OpenID Connect identity providers: Create, Get, List and Delete, their thumbprints and client ids.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import delete, insert, select, update

from roadstead.access.resource import Named, Resource
from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.services.iam.errors import (
    EntityAlreadyExistsException,
    InvalidInputException,
    NoSuchEntityException,
    OpenIdIdpCommunicationErrorException,
)
from roadstead.services.iam.issuer_client import IssuerAway, IssuerClient
from roadstead.services.iam.oidc_urls import BadUrl, ProviderUrl, provider_url
from roadstead.services.iam.quotas import check_account_quota, check_quota
from roadstead.services.iam.tables import oidc_providers
from roadstead.services.iam.tag_rows import add_tags, drop_tags, read_tags, request_tag_keys, tag_keys_of, tag_list
from roadstead.services.operation import Context, Outside, operation
from roadstead.store import Transaction

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        AddClientIDToOpenIDConnectProviderRequestTypeDef,
        CreateOpenIDConnectProviderRequestTypeDef,
        DeleteOpenIDConnectProviderRequestTypeDef,
        GetOpenIDConnectProviderRequestTypeDef,
        RemoveClientIDFromOpenIDConnectProviderRequestTypeDef,
        UpdateOpenIDConnectProviderThumbprintRequestTypeDef,
    )

KIND = "oidc-provider"
MAX_THUMBPRINTS = 5
_PREFIX = f"{KIND}/"
_THUMBPRINT = re.compile(r"[0-9A-Fa-f]{40}")


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that an account trusts to vouch for its users."""

    account: str
    url: ProviderUrl
    client_ids: tuple[str, ...]
    thumbprints: tuple[str, ...]

    @property
    def arn(self) -> Arn:
        """Its ARN, which a trust policy names."""
        return provider_arn(self.account, self.url.name)


def provider_arn(account: str, name: str) -> Arn:
    """The ARN of the provider of this name: its URL without the scheme."""
    return Arn(service="iam", region="", account=account, resource=f"{_PREFIX}{name}")


async def find_provider(tx: Transaction, account: str, name: str) -> Provider | None:
    """The account's provider of this name."""
    row = await _row(tx, account, name)
    if row is None:
        return None
    return Provider(
        account=account,
        url=ProviderUrl(str(row.scheme), name),
        client_ids=tuple(cast("list[str]", row.client_ids)),
        thumbprints=tuple(cast("list[str]", row.thumbprints)),
    )


def _of(account: str, name: str) -> list[Any]:
    return [oidc_providers.c.account == account, oidc_providers.c.url == name]


async def _row(tx: Transaction, account: str, name: str) -> Any | None:
    return (await tx.execute(select(oidc_providers).where(*_of(account, name)))).one_or_none()


def _name_in(ctx: Context, text: str) -> str:
    """The name in an ARN of this account; raises InvalidInput and NoSuchEntity."""
    try:
        arn = Arn.parse(text)
    except InvalidArn as error:
        raise InvalidInputException(f"Invalid ARN: {text}") from error
    if arn.service != "iam" or not arn.resource.startswith(_PREFIX):
        raise InvalidInputException(f"Invalid ARN: {text}")
    if arn.account != ctx.account:
        raise _missing(text)
    return arn.resource.removeprefix(_PREFIX)


def _missing(arn: str) -> NoSuchEntityException:
    return NoSuchEntityException(f"OpenIDConnect Provider not found for arn {arn}")


async def provider_name(ctx: Context, request: Mapping[str, Any]) -> str:
    """The name of the provider that a request names by its ARN; raises InvalidInput and NoSuchEntity."""
    return str((await _require(ctx, request)).url)


async def _require(ctx: Context, request: Mapping[str, Any]) -> Any:
    text = str(request["OpenIDConnectProviderArn"])
    row = await _row(ctx.tx, ctx.account, _name_in(ctx, text))
    if row is None:
        raise _missing(text)
    return row


async def provider_resources(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    """The provider that a request names by its ARN, with its tags."""
    text = str(request["OpenIDConnectProviderArn"])
    try:
        arn = Arn.parse(text)
    except InvalidArn as error:
        raise InvalidInputException(f"Invalid ARN: {text}") from error
    if arn.account != ctx.account:
        return [arn]
    return [Resource(arn, tags=tag_keys_of(ctx, KIND, arn.resource.removeprefix(_PREFIX)))]


def _url_of(request: Mapping[str, Any]) -> ProviderUrl:
    try:
        return provider_url(str(request["Url"]))
    except BadUrl as error:
        raise InvalidInputException("Invalid Open ID Connect Provider URL") from error


async def _created(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    return [provider_arn(ctx.account, _url_of(request).name)]


def _thumbprints(given: Iterable[str]) -> list[str]:
    found = list(dict.fromkeys(text.lower() for text in given))
    if len(found) > MAX_THUMBPRINTS:
        raise InvalidInputException(f"Thumbprint list must contain no more than {MAX_THUMBPRINTS} entries.")
    if not all(_THUMBPRINT.fullmatch(text) for text in found):
        raise InvalidInputException("A thumbprint must be the SHA-1 hash of a certificate in 40 hexadecimal digits.")
    return found


async def _retrieved(outside: Outside, request: Mapping[str, Any]) -> list[str]:
    """The thumbprint of a provider whose creator gives none, once it is known that the creator may create it."""
    url = _url_of(request)
    if request.get("ThumbprintList") or url.scheme == "http":
        return []
    await outside.authorised()
    try:
        return [await outside.component(IssuerClient).thumbprint(str(url))]
    except IssuerAway as error:
        raise OpenIdIdpCommunicationErrorException(
            f"IAM cannot connect to the OpenID Connect identity provider {url}: {error}"
        ) from error


@operation("iam:CreateOpenIDConnectProvider", resources=_created, keys=request_tag_keys, before=_retrieved)
async def create_oidc_provider(ctx: Context, request: CreateOpenIDConnectProviderRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html."""
    url = _url_of(request)
    if await _row(ctx.tx, ctx.account, url.name) is not None:
        raise EntityAlreadyExistsException(f"Provider with url {url} already exists.")
    await check_account_quota(ctx, "OpenIdConnectProvidersPerAccount", oidc_providers)
    clients = list(dict.fromkeys(request.get("ClientIDList", ())))
    check_quota(ctx, "ClientIdsPerOpenIdConnectProvider", len(clients) - 1)
    retrieved = cast("list[str]", ctx.prepared or [])
    await ctx.tx.execute(
        insert(oidc_providers).values(
            account=ctx.account,
            url=url.name,
            scheme=url.scheme,
            client_ids=clients,
            thumbprints=_thumbprints(request.get("ThumbprintList", ())) or retrieved,
            created_at=ctx.clock.now(),
        )
    )
    await add_tags(ctx, KIND, url.name, request.get("Tags"))
    tags = await read_tags(ctx.tx, ctx.account, KIND, url.name)
    return {
        "OpenIDConnectProviderArn": str(provider_arn(ctx.account, url.name)),
        **({"Tags": tag_list(tags)} if tags else {}),
    }


@operation("iam:GetOpenIDConnectProvider", resources=provider_resources, reads=True)
async def get_oidc_provider(ctx: Context, request: GetOpenIDConnectProviderRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetOpenIDConnectProvider.html: the URL is without its scheme."""
    row = await _require(ctx, request)
    return {
        "Url": row.url,
        "ClientIDList": row.client_ids,
        "ThumbprintList": row.thumbprints,
        "CreateDate": row.created_at,
        "Tags": tag_list(await read_tags(ctx.tx, ctx.account, KIND, row.url)),
    }


@operation("iam:ListOpenIDConnectProviders", reads=True)
async def list_oidc_providers(ctx: Context, request: Mapping[str, object]) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListOpenIDConnectProviders.html: all of them, by their ARNs."""
    del request
    stmt = select(oidc_providers.c.url).where(oidc_providers.c.account == ctx.account).order_by(oidc_providers.c.url)
    names = [str(row.url) for row in (await ctx.tx.execute(stmt)).all()]
    return {"OpenIDConnectProviderList": [{"Arn": str(provider_arn(ctx.account, name))} for name in names]}


@operation("iam:DeleteOpenIDConnectProvider", resources=provider_resources)
async def delete_oidc_provider(ctx: Context, request: DeleteOpenIDConnectProviderRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteOpenIDConnectProvider.html: one that is not there is no error."""
    name = _name_in(ctx, request["OpenIDConnectProviderArn"])
    await ctx.tx.execute(delete(oidc_providers).where(*_of(ctx.account, name)))
    await drop_tags(ctx.tx, ctx.account, KIND, name)
    return {}


@operation("iam:UpdateOpenIDConnectProviderThumbprint", resources=provider_resources)
async def update_thumbprint(
    ctx: Context, request: UpdateOpenIDConnectProviderThumbprintRequestTypeDef
) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateOpenIDConnectProviderThumbprint.html: the list is replaced."""
    row = await _require(ctx, request)
    await _change(ctx, row, thumbprints=_thumbprints(request["ThumbprintList"]))
    return {}


@operation("iam:AddClientIDToOpenIDConnectProvider", resources=provider_resources)
async def add_client_id(ctx: Context, request: AddClientIDToOpenIDConnectProviderRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddClientIDToOpenIDConnectProvider.html: one that is there is no error."""
    row = await _require(ctx, request)
    present: list[str] = row.client_ids
    if request["ClientID"] not in present:
        check_quota(ctx, "ClientIdsPerOpenIdConnectProvider", len(present))
        await _change(ctx, row, client_ids=[*present, request["ClientID"]])
    return {}


@operation("iam:RemoveClientIDFromOpenIDConnectProvider", resources=provider_resources)
async def remove_client_id(
    ctx: Context, request: RemoveClientIDFromOpenIDConnectProviderRequestTypeDef
) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_RemoveClientIDFromOpenIDConnectProvider.html."""
    row = await _require(ctx, request)
    present: list[str] = row.client_ids
    await _change(ctx, row, client_ids=[each for each in present if each != request["ClientID"]])
    return {}


async def _change(ctx: Context, row: Any, **values: object) -> None:
    await ctx.tx.execute(update(oidc_providers).where(*_of(ctx.account, row.url)).values(**values))
