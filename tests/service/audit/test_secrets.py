"""What nobody may read in a trail: asked for through the API, looked for in the files."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.service.audit.told import event_of
from tests.support.server import Account

from roadstead.audit.segments import segments
from roadstead.audit.settings import FOLDER

PASSWORD = "Correct-Horse-7-Battery"


def test_no_secret_that_was_handed_out_or_in(admin: Account) -> None:
    iam = admin.iam
    iam.create_user(UserName="bob")
    key = iam.create_access_key(UserName="bob")["AccessKey"]
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]
    iam.create_login_profile(UserName="bob", Password=PASSWORD)
    token = admin.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    last = ""
    for call, parameters in (
        (iam.update_login_profile, {"UserName": "bob", "Password": PASSWORD * 3}),
        (iam.create_login_profile, {"UserName": "bob", "Password": PASSWORD}),
        (iam.create_login_profile, {"UserName": "nobody", "Password": PASSWORD + "\n" + "x" * 2000}),
        (iam.enable_mfa_device, {"UserName": "bob", "SerialNumber": device["SerialNumber"], **codes("918273")}),
        (iam.enable_mfa_device, {"UserName": "bob", "SerialNumber": device["SerialNumber"], **codes("9182a3")}),
    ):
        last = tried(call, parameters)
    event_of(admin.server, last)
    told = b"".join(each.path.read_bytes() for each in segments(admin.server.settings.data_dir / FOLDER))
    assert key["AccessKeyId"].encode() in told, "the trail was looked at"
    for secret in (
        key["SecretAccessKey"],
        admin.keys.secret,
        device["Base32StringSeed"].decode(),
        PASSWORD,
        token,
        "918273",
        "9182a3",
    ):
        assert secret.encode() not in told


def codes(code: str) -> dict[str, str]:
    return {"AuthenticationCode1": code, "AuthenticationCode2": code}


def tried(call: Any, parameters: dict[str, Any]) -> str:
    """The request's id, however the call ended."""
    try:
        response = call(**parameters)
    except ClientError as error:
        response: Any = error.response
    return response["ResponseMetadata"]["RequestId"]


def test_the_client_does_not_check_for_us(admin: Account) -> None:
    """The long password above reached the server: botocore checks no maximum."""
    with pytest.raises(ClientError):
        admin.iam.create_login_profile(UserName="nobody", Password="x" * 2000)
