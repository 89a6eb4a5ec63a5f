"""Nobody may anything that no policy allows, whatever the operation, and a request without a signature is nobody's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.service.access.world import World, build_world, example
from tests.support.server import REGION, Account, Keys, ServerThread

from roadstead.gateway.models import service_model
from roadstead.server.operations import DECLARED
from roadstead.services.operation import OPERATIONS

AUTHORISED = sorted(name for name in DECLARED if OPERATIONS[name].authorised and OPERATIONS[name].signed)
SIGNED = sorted(name for name in DECLARED if OPERATIONS[name].signed)


@dataclass(frozen=True, slots=True)
class Poor:
    """A world, and a user in it without any policy."""

    world: World
    keys: Keys

    def refusal(self, operation: str, *, signed: bool) -> tuple[str, str]:
        """Code and message of the answer to an operation's example; fails where there is none."""
        service, _, name = operation.partition(":")
        request = example(self.world, operation)
        if service == "roadstead":
            return self._raw(service, name, request, signed=signed)
        server = self.world.admin.server
        client = server.client(service, self.keys) if signed else self._unsigned(service)
        shape = client.meta.service_model.operation_model(name).input_shape
        public = {member: value for member, value in request.items() if shape is not None and member in shape.members}
        with pytest.raises(ClientError) as caught:
            client._make_api_call(name, public)
        error: Any = caught.value.response["Error"]
        return error["Code"], error["Message"]

    def _unsigned(self, service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,  # type: ignore[arg-type]
            endpoint_url=f"http://127.0.0.1:{self.world.admin.server.port}",
            region_name=REGION,
            config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
        )

    def _raw(self, service: str, name: str, request: Mapping[str, Any], *, signed: bool) -> tuple[str, str]:
        server, model, body = self.world.admin.server, service_model(service), json.dumps(request, default=str).encode()
        headers = {
            "content-type": f"application/x-amz-json-{model.metadata['jsonVersion']}",
            "x-amz-target": f"{model.metadata['targetPrefix']}.{name}",
        }
        answer = server.send("POST", "/", server.signed(self.keys, service, headers, body) if signed else headers, body)
        assert answer.status >= 400, answer.text
        return answer.json["__type"], answer.json["message"]


@pytest.fixture(scope="module")
def poor(sqlite_server: ServerThread) -> Poor:
    admin = Account(sqlite_server, sqlite_server.new_account())
    return Poor(build_world(admin), admin.user("nobody"))


@pytest.mark.parametrize("operation", AUTHORISED)
def test_who_has_no_policy_is_denied(poor: Poor, operation: str):
    code, message = poor.refusal(operation, signed=True)
    assert code in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"), message
    who = f"User: arn:aws:iam::{poor.world.admin.id}:user/nobody is not authorized to perform: "
    assert f"{who}{OPERATIONS[operation].action} on resource: " in message


@pytest.mark.parametrize("operation", SIGNED)
def test_who_does_not_sign_is_nobody(poor: Poor, operation: str):
    code, _ = poor.refusal(operation, signed=False)
    assert code in ("MissingAuthenticationToken", "MissingAuthenticationTokenException")
