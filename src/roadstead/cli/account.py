"""`roadstead account`: the accounts of a deployment, as its administrator."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from cyclopts import App, Parameter

from roadstead.cli.environment import read_key
from roadstead.cli.failure import CommandFailed
from roadstead.cli.profile import has_profile, write_profile
from roadstead.cli.settings import DataOption
from roadstead.server.files import Credentials

app = App(name="account", help="Make accounts, list them, and limit them.")
T = TypeVar("T")
_NOT_IN_A_PROFILE = re.compile(r"[^A-Za-z0-9_.-]+")


class _Account(msgspec.Struct, frozen=True, rename="camel"):
    account_id: str
    account_name: str
    is_managing: bool = False


class _Administrator(msgspec.Struct, frozen=True, rename="camel"):
    user_name: str
    access_key_id: str
    secret_access_key: str


class _Created(msgspec.Struct, frozen=True, rename="camel"):
    account: _Account
    administrator: _Administrator
    role_arn: str


class _Page(msgspec.Struct, frozen=True, rename="camel"):
    accounts: list[_Account]
    next_token: str | None = None


class _Policy(msgspec.Struct, frozen=True, rename="camel"):
    policy_name: str
    policy_document: str


class _Described(msgspec.Struct, frozen=True, rename="camel"):
    account: _Account
    service_control_policies: list[_Policy]


@app.command
def create(
    name: str,
    *,
    id: Annotated[str | None, Parameter(help="Twelve digits; by default random ones.")] = None,
    profile: Annotated[str | None, Parameter(help="The AWS profile to write; by default roadstead-NAME.")] = None,
    data: DataOption = None,
) -> None:
    """Make an account with an administrator, whose key is written into an AWS profile of its own."""
    known = read_key(data)
    wanted = profile or f"roadstead-{_NOT_IN_A_PROFILE.sub('-', name).strip('-').lower()}"
    if has_profile(wanted):
        raise CommandFailed(f"there is an AWS profile {wanted} already; name another one with --profile")
    made = _call(known, "CreateAccount", {"accountName": name, **({"accountId": id} if id else {})}, _Created)
    account, key = made.account.account_id, made.administrator
    credentials = Credentials(
        account=account,
        region=known.region,
        endpoint=known.endpoint,
        access_key_id=key.access_key_id,
        secret_access_key=key.secret_access_key,
    )
    try:
        write_profile(credentials, name=wanted)
    except OSError as error:
        text = f"the account {account} was made, but its profile can't be written: {error}; its role is {made.role_arn}"
        raise CommandFailed(text) from error
    _say(f"account {account} ({name})", f"profile {wanted}: its user {key.user_name}", f"role {made.role_arn}")


@app.command(name="list")
def list_accounts(
    *, json: Annotated[bool, Parameter(negative="", help="Print JSON.")] = False, data: DataOption = None
) -> None:
    """Print the accounts of the deployment."""
    known = read_key(data)
    found: list[_Account] = []
    token: str | None = None
    while True:
        page = _call(known, "ListAccounts", {"nextToken": token} if token else {}, _Page)
        found += page.accounts
        token = page.next_token
        if token is None:
            break
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    else:
        _say(
            *(
                f"{each.account_id}  {each.account_name}{'  (manages the others)' if each.is_managing else ''}"
                for each in found
            )
        )


@app.command
def show(account: str, *, data: DataOption = None) -> None:
    """Print an account and the service control policies that limit it."""
    found = _call(read_key(data), "DescribeAccount", {"accountId": account}, _Described)
    _say(f"{found.account.account_id}  {found.account.account_name}")
    for policy in found.service_control_policies:
        _say(f"{policy.policy_name}: {policy.policy_document}")


@app.command
def limit(account: str, policy: str, document: Path, *, data: DataOption = None) -> None:
    """Add the service control policy POLICY to an account, from the file DOCUMENT, or replace it."""
    try:
        text = sys.stdin.read() if str(document) == "-" else document.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{document} can't be read: {error}") from error
    request = {"accountId": account, "policyName": policy, "policyDocument": text}
    _call(read_key(data), "PutServiceControlPolicy", request, dict[str, Any])


@app.command
def unlimit(account: str, policy: str, *, data: DataOption = None) -> None:
    """Take the service control policy POLICY away from an account."""
    request = {"accountId": account, "policyName": policy}
    _call(read_key(data), "DeleteServiceControlPolicy", request, dict[str, Any])


def _call(known: Credentials, operation: str, request: Mapping[str, object], response: type[T]) -> T:
    """Call an operation of the running deployment; raises CommandFailed with what it says."""
    from roadstead.agent.client import ApiClient, ApiRefused, ApiUnreachable, FixedCredentials
    from roadstead.agent.client import Credentials as Keys

    async def call() -> T:
        source = FixedCredentials(Keys(known.access_key_id, known.secret_access_key))
        async with ApiClient(known.endpoint, known.region, source) as client:
            return await client.call("roadstead", operation, request, response, deadline=15.0)

    try:
        return asyncio.run(call())
    except ApiRefused as error:
        raise CommandFailed(f"{error.code}: {error.message}") from error
    except ApiUnreachable as error:
        raise CommandFailed(f"the deployment at {known.endpoint} does not answer: {error}") from error


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
