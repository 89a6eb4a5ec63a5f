"""Requests that a host's relay passes on: they come from a VPC, as through an endpoint of a VPC on AWS."""

from __future__ import annotations

import http.client
import json

import pytest
from tests.service.audit.told import event_of, event_that
from tests.support.server import Account, Answer, Keys, read_answer

from roadstead.access.master_key import MasterKey
from roadstead.wire.relayed import SIGNATURE, relay_header

HOST = "h-1"
PEER = ("172.31.16.4", 40000)
BODY = b"{}"
LIST = {
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": "AmazonEC2ContainerServiceV20141113.ListClusters",
}


def header(admin: Account, vpc: str = "vpc-1", *, key: bytes | None = None) -> bytes:
    known = MasterKey.load(admin.server.settings.master_key).relay_key(HOST)
    return relay_header(peer=PEER, local=("169.254.170.3", 4566), vpc=vpc, host=HOST, key=key or known)


def sent(admin: Account, keys: Keys, first: bytes, *, times: int = 1, pause: int | None = None) -> list[Answer]:
    """Answers to ListClusters, sent on one connection that begins with `first`, the bytes up to `pause` by themselves."""
    answers: list[Answer] = []
    with admin.server.connect() as connection:
        whole = first
        for _ in range(times):
            headers = admin.server.signed(keys, "ecs", LIST, BODY)
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            whole += f"POST / HTTP/1.1\r\n{lines}content-length: {len(BODY)}\r\n\r\n".encode() + BODY
            if pause is not None:
                connection.sendall(whole[:pause])
                assert admin.server.send("GET", "/_roadstead/health", {}).status == 200, "the part was read meanwhile"
            connection.sendall(whole[pause or 0 :])
            whole, pause = b"", None
            response = http.client.HTTPResponse(connection)
            response.begin()
            answers.append(read_answer(response))
    return answers


def lister(admin: Account, condition: dict[str, dict[str, str]]) -> Keys:
    return admin.user(
        "lister", {"Effect": "Allow", "Action": "ecs:ListClusters", "Resource": "*", "Condition": condition}
    )


def test_a_policy_may_ask_for_the_vpc(admin: Account) -> None:
    keys = lister(admin, {"StringEquals": {"aws:SourceVpc": "vpc-1"}})
    assert [each.status for each in sent(admin, keys, header(admin), times=3)] == [200] * 3
    (elsewhere,) = sent(admin, keys, header(admin, "vpc-2"))
    (direct,) = sent(admin, keys, b"")
    assert elsewhere.status == direct.status == 400
    assert json.loads(direct.body)["__type"] == "AccessDeniedException"


def test_the_address_is_the_callers_in_its_vpc(admin: Account) -> None:
    keys = lister(admin, {"IpAddress": {"aws:VpcSourceIp": "172.31.0.0/16"}, "Null": {"aws:SourceIp": "true"}})
    (answer,) = sent(admin, keys, header(admin))
    assert answer.status == 200
    assert event_of(admin.server, answer.headers["x-amzn-requestid"])["sourceIPAddress"] == PEER[0]


@pytest.mark.parametrize(
    ("condition", "relayed", "direct"),
    [
        ({"StringEquals": {"aws:SourceVpc": "vpc-1"}}, 400, 403),
        ({"IpAddress": {"aws:VpcSourceIp": "172.31.0.0/16"}}, 400, 403),
        ({"IpAddress": {"aws:SourceIp": "127.0.0.1/32"}}, 403, 400),
    ],
)
def test_a_link_comes_from_where_its_connection_does(
    admin: Account, condition: dict[str, dict[str, str]], relayed: int, direct: int
) -> None:
    """Who may open it is told that there is no such instance."""
    keys = admin.user("poller", {"Effect": "Allow", "Action": "ecs:Poll", "Resource": "*", "Condition": condition})
    instance = f"arn:aws:ecs:us-east-1:{admin.id}:container-instance/default/none"
    path = f"/ws?clusterArn=default&containerInstanceArn={instance.replace(':', '%3A').replace('/', '%2F')}"
    upgrade = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    for first, status, source in ((header(admin), relayed, PEER[0]), (b"", direct, "127.0.0.1")):
        signed = admin.server.signed(keys, "ecs", {}, b"", method="GET", path=path)
        lines = "".join(f"{name}: {value}\r\n" for name, value in (signed | upgrade).items())
        with admin.server.connect() as connection:
            connection.sendall(first + f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == status, answer.read()
        told = (keys.key, source)
        event = event_that(
            admin.server, lambda e, told=told: (e["userIdentity"].get("accessKeyId"), e["sourceIPAddress"]) == told
        )
        assert event["eventName"] == "Poll"


@pytest.mark.parametrize("pause", [1, 11, 15, 40])
def test_a_header_may_come_in_parts(admin: Account, pause: int) -> None:
    keys = lister(admin, {"StringEquals": {"aws:SourceVpc": "vpc-1"}})
    (answer,) = sent(admin, keys, header(admin), pause=pause)
    assert answer.status == 200


@pytest.mark.parametrize("forged", ["key", "length", "version"])
def test_who_is_no_relay_of_ours_is_cut_off(admin: Account, forged: str) -> None:
    first = {
        "key": header(admin, key=b"x" * 32),
        "length": SIGNATURE + b"\x21\x11\xff\xff",
        "version": SIGNATURE + b"\x11\x11\x00\x00",
    }[forged]
    with pytest.raises(ConnectionError):
        sent(admin, admin.keys, first)
