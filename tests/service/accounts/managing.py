"""The deployment's own account, as tests call it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.server import Account, Answer, Keys, ServerThread

from roadstead.server.files import read_credentials


@dataclass(slots=True)
class Managing:
    """The administrator of the deployment."""

    server: ServerThread
    keys: Keys

    def send(self, operation: str, keys: Keys, request: Mapping[str, object]) -> Answer:
        """The answer to an operation of the internal service."""
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"Roadstead_20261101.{operation}"}
        body = json.dumps(request).encode()
        signed = self.server.signed(keys, "roadstead", headers, body)
        return self.server.send("POST", "/", signed, body)

    def call(self, operation: str, **request: object) -> Any:
        answer = self.send(operation, self.keys, request)
        assert answer.status == 200, answer.text
        return answer.json

    def refused(self, operation: str, **request: object) -> str:
        """The code of an error."""
        return self.refused_to(self.keys, operation, **request)

    def refused_to(self, keys: Keys, operation: str, **request: object) -> str:
        """The code of an error that somebody else gets."""
        answer = self.send(operation, keys, request)
        assert answer.status == 400, answer.text
        return str(answer.json["__type"])

    def create(self, name: str, **request: object) -> Account:
        """A new account's administrator."""
        made = self.call("CreateAccount", accountName=name, **request)
        key = made["administrator"]
        return Account(self.server, Keys(made["account"]["accountId"], key["accessKeyId"], key["secretAccessKey"]))

    def limit(self, account: Account, name: str, *statements: Mapping[str, object]) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        self.call("PutServiceControlPolicy", accountId=account.id, policyName=name, policyDocument=document)


def managing(server: ServerThread) -> Managing:
    stored = read_credentials(server.settings.data_dir)
    return Managing(server, Keys(stored.account, stored.access_key_id, stored.secret_access_key))
