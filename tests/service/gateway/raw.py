"""Requests of each protocol family, written by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tests.support.server import Answer, Keys, ServerThread


@dataclass(frozen=True, slots=True)
class Call:
    """An operation's request before it is signed."""

    service: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"
    path: str = "/"

    def send(self, server: ServerThread, keys: Keys, *, now: datetime | None = None, **changed: str) -> Answer:
        """Sign and send; `changed` headers are put over the signed ones (underscores stand for dashes, empty ones go)."""
        headers = server.signed(
            keys, self.service, self.headers, self.body, method=self.method, path=self.path, now=now
        )
        headers |= {name.replace("_", "-"): value for name, value in changed.items()}
        return server.send(self.method, self.path, {name: value for name, value in headers.items() if value}, self.body)


FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
FAMILIES = {
    "query": Call("sts", FORM, b"Action=GetCallerIdentity&Version=2011-06-15"),
    "ec2": Call("ec2", FORM, b"Action=DescribeVpcs&Version=2016-11-15"),
    "json": Call(
        "logs", {"content-type": "application/x-amz-json-1.1", "x-amz-target": "Logs_20140328.DescribeLogGroups"}, b"{}"
    ),
    "rest-json": Call("eks", {}, b"", method="GET", path="/clusters"),
    "cbor": Call(
        "monitoring",
        {"smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor", "accept": "application/cbor"},
        b"\xa0",
        path="/service/GraniteServiceVersion20100801/operation/ListMetrics",
    ),
}


def error_of(answer: Answer) -> tuple[str, str]:
    """Code and message, in whichever shape."""
    if answer.headers["content-type"].startswith("application/json") or "json" in answer.headers["content-type"]:
        body = json.loads(answer.body)
        code = answer.headers.get("x-amzn-errortype") or body["__type"]
        return code.partition(":")[0].rpartition("#")[2], body.get("message", body.get("Message", ""))
    if "cbor" in answer.headers["content-type"]:
        import cbor2

        body = cbor2.loads(answer.body)
        return body["__type"].rpartition("#")[2], body.get("message", "")
    code = re.search("<Code>(.*?)</Code>", answer.text)
    message = re.search("<Message>(.*?)</Message>", answer.text, re.DOTALL)
    assert code is not None, answer.text
    return code[1], message[1] if message else ""
