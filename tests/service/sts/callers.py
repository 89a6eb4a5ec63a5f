"""Roles, users and sessions for tests of STS."""

from __future__ import annotations

import json
from base64 import b32decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.support.server import Account, Keys

from roadstead.services.iam.totp import code_at, step_at

ASSUME = {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}
Shape = Mapping[str, Any]


def policy(*statements: Shape) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": "*", **more}


def trust(principal: str | Shape, *actions: str, condition: Shape | None = None) -> dict[str, Any]:
    """A statement of a trust policy; `principal` is an account's id or a whole element."""
    return {
        "Effect": "Allow",
        "Principal": {"AWS": principal} if isinstance(principal, str) else principal,
        "Action": list(actions) or "sts:AssumeRole",
        **({"Condition": condition} if condition else {}),
    }


def role(account: Account, name: str, *trusted: Shape, allowed: Shape | None = None, **more: Any) -> str:
    """A role and its ARN; it may do everything unless `allowed` says what."""
    made = account.iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(*trusted), **more)["Role"]
    document = policy(allowed or allow("*"))
    account.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document)
    return str(made["Arn"])


def session_keys(account: str, answer: Shape) -> Keys:
    """The credentials in an answer of STS."""
    found = answer["Credentials"]
    return Keys(account, found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])


def client(account: Account, service: str, keys: Keys) -> Any:
    return account.server.client(service, keys)


def assume(account: Account, keys: Keys, arn: str, name: str = "work", **more: Any) -> Keys:
    """The session of a role that the holder of `keys` assumes."""
    answer = client(account, "sts", keys).assume_role(RoleArn=arn, RoleSessionName=name, **more)
    return session_keys(arn.split(":")[4], answer)


@dataclass
class Phone:
    """A user's virtual MFA device; each code counts once, so a test has a few."""

    serial: str
    seed: bytes
    steps: int = 0

    def code(self) -> dict[str, str]:
        """A code that was not used yet; the device's clock is as far ahead as it must be."""
        self.steps += 1
        return {"SerialNumber": self.serial, "TokenCode": code_at(self.seed, step_at(datetime.now(UTC)) + self.steps)}


def phone(account: Account, user: str) -> Phone:
    """A device that is enabled for the user; it has one code for its test."""
    made = account.iam.create_virtual_mfa_device(VirtualMFADeviceName=f"{user}-phone")["VirtualMFADevice"]
    seed, step = b32decode(made["Base32StringSeed"]), step_at(datetime.now(UTC))
    account.iam.enable_mfa_device(
        UserName=user,
        SerialNumber=made["SerialNumber"],
        AuthenticationCode1=code_at(seed, step - 1),
        AuthenticationCode2=code_at(seed, step),
    )
    return Phone(made["SerialNumber"], seed)


Call = Callable[..., Any]
