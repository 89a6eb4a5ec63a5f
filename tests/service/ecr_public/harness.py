"""A client of public registries that a test steers byte by byte."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from tests.support.server import Account, Answer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass
class Public:
    """The OCI routes as `host` names them; `authorization` is sent when it is given."""

    account: Account
    authorization: str | None = None
    host: str = "public.ecr.aws"

    @classmethod
    def signed_in(cls, account: Account, host: str = "public.ecr.aws") -> Public:
        return cls(account, f"Bearer {token(account)}", host)

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        sent = {"Host": self.host, "Content-Length": str(len(body)), **headers}
        if self.authorization is not None:
            sent["Authorization"] = self.authorization
        return self.account.server.send(method, path, sent, body)

    def push_blob(self, name: str, content: bytes) -> Answer:
        begun = self.send("POST", f"/v2/{name}/blobs/uploads/")
        if begun.status != 202:
            return begun
        return self.send("PUT", f"{begun.headers['location']}?digest={digest(content)}", content)

    def push(self, name: str, tag: str, layer: bytes = b"layer") -> Answer:
        """Push an image of one layer."""
        config = b"{}"
        for content in (config, layer):
            pushed = self.push_blob(name, content)
            if pushed.status != 201:
                return pushed
        return self.send("PUT", f"/v2/{name}/manifests/{tag}", manifest(config, layer), **{"Content-Type": MANIFEST})

    def pull(self, name: str, tag: str) -> Answer:
        return self.send("GET", f"/v2/{name}/manifests/{tag}")


def manifest(config: bytes, layer: bytes) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest(config),
            "size": len(config),
        },
        "layers": [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(layer), "size": len(layer)}
        ],
    }
    return json.dumps(document).encode()


def token(account: Account) -> str:
    return str(api(account).get_authorization_token()["authorizationData"]["authorizationToken"])


def password(text: str) -> str:
    return base64.b64decode(text).decode().partition(":")[2]


def api(account: Account) -> Any:
    return account.server.client("ecr-public", account.keys)


def alias(account: Account) -> str:
    (registry,) = api(account).describe_registries()["registries"]
    return next(str(each["name"]) for each in registry["aliases"] if each["primaryRegistryAlias"])
