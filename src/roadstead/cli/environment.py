"""`roadstead env` and `roadstead credentials`: the generated key, for shells and for the SDKs' credential_process."""

from __future__ import annotations

import shlex
import sys

import msgspec

from roadstead.cli.failure import CommandFailed
from roadstead.cli.settings import DataOption, resolve_data
from roadstead.server.files import Credentials, read_credentials


def read_key(data: DataOption) -> Credentials:
    """The generated administrator of a data directory; raises CommandFailed."""
    where = resolve_data(data)
    try:
        return read_credentials(where)
    except FileNotFoundError as error:
        raise CommandFailed(f"there are no credentials in {where}; run: roadstead up --data {where}") from error
    except PermissionError as error:
        raise CommandFailed(f"the credentials in {where} belong to another user; try sudo") from error


def env(*, data: DataOption = None) -> None:
    """Print shell exports that point AWS clients here: eval "$(roadstead env)"."""
    found = read_key(data)
    variables = {
        "AWS_ENDPOINT_URL": found.endpoint,
        "AWS_REGION": found.region,
        "AWS_DEFAULT_REGION": found.region,
        "AWS_ACCESS_KEY_ID": found.access_key_id,
        "AWS_SECRET_ACCESS_KEY": found.secret_access_key,
    }
    for name, value in variables.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


def credentials(*, data: DataOption = None) -> None:
    """Print the administrator's key for `credential_process`.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
    """
    found = read_key(data)
    document = {"Version": 1, "AccessKeyId": found.access_key_id, "SecretAccessKey": found.secret_access_key}
    sys.stdout.buffer.write(msgspec.json.encode(document) + b"\n")
