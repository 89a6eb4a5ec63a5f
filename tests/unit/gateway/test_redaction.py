"""No secret of any request or answer is shown, whatever service it is of."""

from __future__ import annotations

import itertools
import re
from typing import Any

import msgspec
import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape

from roadstead.audit.secrets import HIDDEN, is_secret, scrubbed
from roadstead.gateway.models import service_model
from roadstead.gateway.redaction import redactions
from roadstead.server.operations import DECLARED

SUSPICIOUS = re.compile(
    r"secret|passw|token|seed|credential|authenticationcode|qrcode|privatekey|userdata|assertion|signature", re.I
)
HARMLESS = re.compile(
    r"(next|client|request|pagination|forward|backward|sequence|continuation|idempotency)(Forward|Backward|Request)?Token$|"
    # names of things, settings, counts and times
    r"(arn|arns|id|ids|name|type|status|ttl|date|state|size|length|format|enabled|endpoint|expiration|expires\w*)$|^secretoptions|"
    r"^PasswordReusePrevention$|tokens$|url$|"
    r"^(HttpTokensEnforced|credentialSpecs|credentialsParameter|AssertionEncryptionMode|GlobalEndpointTokenVersion|tokenString)$|"
    r"^ServiceCredentialAlias$",
    re.I,
)
"""What looks like a secret by its name and is none; whoever adds to it has looked."""
DEEPEST = 4
SERVED = sorted({name.partition(":")[0] for name in DECLARED})


def shapes_of(service: str) -> list[StructureShape]:
    model = service_model(service)
    operations = [model.operation_model(name) for name in model.operation_names]
    found = [shape for each in operations for shape in (each.input_shape, each.output_shape)]
    return [shape for shape in found if shape is not None]


class Filler:
    """A value of a shape in which each text is unlike every other, and which of them are secret by the test's own judgement."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self._numbers = itertools.count()

    def value(self, shape: Shape, name: str = "", secret: bool = False, depth: int = 0) -> Any:
        secret = secret or bool(shape.metadata.get("sensitive"))
        if isinstance(shape, StructureShape):
            if depth > DEEPEST:
                return {}
            return {each: self.value(member, each, secret, depth + 1) for each, member in shape.members.items()}
        if isinstance(shape, ListShape):
            return [self.value(shape.member, name, secret, depth + 1)]
        if isinstance(shape, MapShape):
            return {"key": self.value(shape.value, "", secret, depth + 1)}
        text = f"text-{next(self._numbers)}-end"
        if shape.type_name == "string":
            if secret or (SUSPICIOUS.search(name) and not HARMLESS.search(name)):
                self.secrets[text] = name
            return text
        return text.encode() if shape.type_name == "blob" else 1


@pytest.mark.parametrize("service", SERVED)
def test_no_secret_of_any_operation_is_shown(service: str) -> None:
    looked_at = 0
    for shape in shapes_of(service):
        filler = Filler()
        value = filler.value(shape)
        hidden: list[str] = []
        shown = msgspec.json.encode(redactions(service_model(service)).compile(shape)(value, hidden)).decode()
        leaks = {name for text, name in filler.secrets.items() if text in shown}
        assert not leaks, f"{service}: {shape.name} shows {leaks}"
        assert set(filler.secrets) <= set(hidden), "an error's message could repeat it"
        looked_at += 1
    assert looked_at


def test_what_is_no_secret_is_shown() -> None:
    shape = service_model("ecs").operation_model("CreateCluster").input_shape
    assert shape is not None
    value = Filler().value(shape)
    assert redacted("ecs", "CreateCluster", **value) == value


def redacted(service: str, operation: str, *, result: bool = False, **value: Any) -> Any:
    model = service_model(service)
    described = model.operation_model(operation)
    shape = described.output_shape if result else described.input_shape
    assert shape is not None
    return redactions(model).compile(shape)(value, [])


def test_members_begin_in_lower_case() -> None:
    shown = redacted("iam", "CreateUser", UserName="bob", Tags=[{"Key": "team", "Value": "red"}])
    assert shown == {"userName": "bob", "tags": [{"key": "team", "value": "red"}]}


def test_a_keys_secret() -> None:
    key = {"UserName": "bob", "AccessKeyId": "AKIA1", "SecretAccessKey": "s3cr3t", "Status": "Active"}
    shown = redacted("iam", "CreateAccessKey", result=True, AccessKey=key)
    assert shown["accessKey"] == {
        "userName": "bob",
        "accessKeyId": "AKIA1",
        "secretAccessKey": HIDDEN,
        "status": "Active",
    }


def test_a_sessions_token_and_a_devices_seed() -> None:
    given = {"AccessKeyId": "ASIA1", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": 1}
    shown = redacted("sts", "AssumeRole", result=True, Credentials=given)
    assert shown["credentials"] == {
        "accessKeyId": "ASIA1",
        "secretAccessKey": HIDDEN,
        "sessionToken": HIDDEN,
        "expiration": 1,
    }
    device = {"SerialNumber": "arn", "Base32StringSeed": b"ABC", "QRCodePNG": b"png"}
    shown = redacted("iam", "CreateVirtualMFADevice", result=True, VirtualMFADevice=device)
    assert shown["virtualMFADevice"] == {"serialNumber": "arn", "base32StringSeed": HIDDEN, "qRCodePNG": HIDDEN}


def test_the_values_of_an_environment_and_a_log_drivers_token() -> None:
    container = {
        "name": "web",
        "environment": [{"name": "DB_PASSWORD", "value": "hunter2"}],
        "secrets": [{"name": "KEY", "valueFrom": "arn:aws:ssm:us-east-1:000000000000:parameter/key"}],
        "logConfiguration": {"logDriver": "splunk", "options": {"splunk-token": "t0k3n", "splunk-url": "https://x"}},
    }
    shown = redacted("ecs", "RegisterTaskDefinition", family="web", containerDefinitions=[container])
    seen = shown["containerDefinitions"][0]
    assert seen["environment"] == HIDDEN
    assert seen["secrets"] == container["secrets"]
    assert seen["logConfiguration"]["options"] == {"splunk-token": HIDDEN, "splunk-url": "https://x"}


def test_nulls_among_the_parameters_are_shown_as_they_are() -> None:
    """What is told of a request was not validated yet."""
    assert redacted("ecs", "CreateCluster", tags=[None, {"key": "a"}]) == {"tags": [None, {"key": "a"}]}
    shown = redacted("ecs", "RegisterTaskDefinition", containerDefinitions=[{"dockerLabels": {"db_password": None}}])
    assert shown == {"containerDefinitions": [{"dockerLabels": {"db_password": None}}]}
    shown = redacted("dynamodb", "BatchGetItem", RequestItems={"table": None, "other": {"Keys": [None]}})
    assert shown == {"requestItems": {"table": None, "other": {"keys": [None]}}}


def test_content_is_only_counted() -> None:
    shown = redacted("ecr", "UploadLayerPart", repositoryName="web", uploadId="u", layerPartBlob=b"12345")
    assert shown["layerPartBlob"] == {"omitted": True, "originalSize": 5}
    shown = redacted(
        "logs", "PutLogEvents", logGroupName="g", logStreamName="s", logEvents=[{"timestamp": 1, "message": "m"}]
    )
    assert shown["logEvents"] == {"omitted": True, "originalSize": 1}


@pytest.mark.parametrize(
    "name", ["SecretString", "DBPassword", "splunk-token", "clientSecret", "id_token", "TokenCode"]
)
def test_names_that_are_hidden(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name", ["NextToken", "clientToken", "secretArn", "SecretId", "PasswordLastUsed", "tokenEndpoint"]
)
def test_names_that_are_shown(name: str) -> None:
    assert not is_secret(name)


def test_a_message_that_repeats_a_secret() -> None:
    long = "p" * 3000
    message = f"Value '{long[:1024]}...' at 'password' failed; Value 'hunter2' too"
    assert scrubbed(message, [long, "hunter2"]) == f"Value '{HIDDEN}...' at 'password' failed; Value '{HIDDEN}' too"
