"""What callers are told: not allowed, not built, not there, not readable."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.service.audit.told import event_of
from tests.service.gateway.raw import FAMILIES, FORM, Call, error_of
from tests.support.server import Account, ServerThread, refusal

ALLOW_NOTHING_ELSE = {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}


@pytest.mark.parametrize(
    ("service", "call", "parameters", "code", "status", "action"),
    [
        ("logs", "describe_log_groups", {}, "AccessDeniedException", 400, "logs:DescribeLogGroups"),
        ("ecs", "list_clusters", {}, "AccessDeniedException", 400, "ecs:ListClusters"),
        ("iam", "list_users", {}, "AccessDenied", 403, "iam:ListUsers"),
        ("ec2", "describe_vpcs", {}, "UnauthorizedOperation", 403, "ec2:DescribeVpcs"),
    ],
)
def test_not_allowed(
    sqlite_admin: Account, service: str, call: str, parameters: dict[str, str], code: str, status: int, action: str
):
    keys = sqlite_admin.user("bob", ALLOW_NOTHING_ELSE)
    refused = refusal(getattr(sqlite_admin.server.client(service, keys), call), **parameters)
    arn = f"arn:aws:iam::{sqlite_admin.id}:user/bob"
    lead = "You are not authorized to perform this operation. " if service == "ec2" else ""
    assert (refused.code, refused.status) == (code, status)
    told, _, encoded = refused.message.partition(". Encoded authorization failure message: ")
    assert encoded
    assert told == (
        f"{lead}User: {arn} is not authorized to perform: {action} on resource: *"
        f" because no identity-based policy allows the {action} action"
    )


def test_denied_explicitly(sqlite_admin: Account):
    deny = {"Effect": "Deny", "Action": "logs:*", "Resource": "*"}
    keys = sqlite_admin.user("bob", deny, {"Effect": "Allow", "Action": "*", "Resource": "*"})
    refused = refusal(sqlite_admin.server.client("logs", keys).create_log_group, logGroupName="/x")
    assert refused.message.partition(". Encoded")[0].endswith(
        f"arn:aws:logs:us-east-1:{sqlite_admin.id}:log-group:/x:log-stream: with an explicit deny in an identity-based policy"
    )


@pytest.mark.parametrize(
    ("service", "call", "parameters", "named"),
    [
        ("eks", "list_clusters", {}, "eks:ListClusters"),
        ("ecs", "list_services", {}, "ecs:ListServices"),
        ("elbv2", "describe_load_balancers", {}, "elbv2:DescribeLoadBalancers"),
        ("ec2", "describe_volumes", {}, "ec2:DescribeVolumes"),
        ("cloudwatch", "list_metrics", {}, "cloudwatch:ListMetrics"),
        ("dynamodb", "list_tables", {}, "dynamodb"),
        ("lambda", "list_functions", {}, "lambda"),
        ("sqs", "list_queues", {}, "sqs"),
    ],
)
def test_what_is_not_built_is_named(
    sqlite_admin: Account, service: str, call: str, parameters: dict[str, str], named: str
):
    refused = refusal(getattr(sqlite_admin.server.client(service, sqlite_admin.keys), call), **parameters)
    assert refused.code in ("NotImplemented", "NotImplementedException")
    assert refused.status == 501
    assert named in refused.message


def test_services_of_protocols_that_are_not_spoken_are_named_too(sqlite_server: ServerThread):
    answer = Call("s3", {}, b"", method="GET").send(sqlite_server, sqlite_server.new_account())
    text = "The service s3 is not part of Roadstead; roadstead.toml can name an upstream that has it."
    assert answer.status == 501
    assert f"<Error><Code>NotImplemented</Code><Message>{text}</Message>" in answer.text


def test_what_is_not_built_tells_strangers_nothing(sqlite_server: ServerThread):
    keys = replace(sqlite_server.new_account(), secret="x")
    assert error_of(FAMILIES["rest-json"].send(sqlite_server, keys))[0] == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("call", "status", "code"),
    [
        (replace(FAMILIES["query"], body=b"Action=Nothing&Version=2011-06-15"), 400, "InvalidAction"),
        (replace(FAMILIES["query"], body=b"Version=2011-06-15"), 400, "MissingAction"),
        (replace(FAMILIES["ec2"], body=b"Action=Nothing&Version=2016-11-15"), 400, "InvalidAction"),
        (
            replace(FAMILIES["json"], headers={**FAMILIES["json"].headers, "x-amz-target": "Logs_20140328.Nothing"}),
            400,
            "UnknownOperationException",
        ),
        (replace(FAMILIES["rest-json"], path="/nothing/at/all"), 404, "UnknownOperationException"),
        (
            replace(FAMILIES["cbor"], path="/service/GraniteServiceVersion20100801/operation/No"),
            400,
            "UnknownOperationException",
        ),
    ],
)
def test_operations_that_no_model_knows(sqlite_server: ServerThread, call: Call, status: int, code: str):
    answer = call.send(sqlite_server, sqlite_server.new_account())
    assert (answer.status, error_of(answer)[0]) == (status, code)


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'"x"', b'{"limit": "five"}', b'{"limit": 1.5}', b"\xff\xfe", b"[" * 100_000, b'{"limit": NaN}'],
)
def test_malformed_json(sqlite_server: ServerThread, body: bytes):
    answer = replace(FAMILIES["json"], body=body).send(sqlite_server, sqlite_server.new_account())
    assert (answer.status, error_of(answer)[0]) == (400, "SerializationException")


def test_a_null_in_a_list_is_refused_and_told(sqlite_server: ServerThread):
    target = {"x-amz-target": "AmazonEC2ContainerServiceV20141113.CreateCluster"}
    call = Call(
        "ecs", {"content-type": "application/x-amz-json-1.1", **target}, b'{"clusterName": "c", "tags": [null]}'
    )
    answer = call.send(sqlite_server, sqlite_server.new_account())
    assert (answer.status, error_of(answer)[0]) == (400, "InvalidParameterException")
    event = event_of(sqlite_server, answer.headers["x-amzn-requestid"])
    assert event["requestParameters"] == {"clusterName": "c", "tags": [None]}


def test_malformed_cbor_is_not_read_before_the_operation_exists(sqlite_server: ServerThread):
    answer = replace(FAMILIES["cbor"], body=b"\xff\xff").send(sqlite_server, sqlite_server.new_account())
    assert (answer.status, error_of(answer)[0]) == (501, "NotImplemented")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"Action=ListUsers&Version=2010-05-08&MaxItems=many", "MalformedInput"),
        (b"Action=ListUsers&Version=2010-05-08&MaxItems=0", "ValidationError"),
        (b"Action=CreateUser&Version=2010-05-08", "ValidationError"),
        (b"Action=CreateUser&Version=2010-05-08&UserName=%ff%fe", "MalformedQueryString"),
    ],
)
def test_malformed_forms(sqlite_server: ServerThread, body: bytes, code: str):
    answer = Call("iam", FORM, body).send(sqlite_server, sqlite_server.new_account())
    assert error_of(answer)[0] == code
    assert answer.status in (400, 404)


def test_parameters_are_not_read_for_strangers(sqlite_server: ServerThread):
    keys = replace(sqlite_server.new_account(), secret="x")
    answer = replace(FAMILIES["json"], body=b"{").send(sqlite_server, keys)
    assert error_of(answer)[0] == "InvalidSignatureException"


def test_every_answer_has_an_id_of_its_own(sqlite_server: ServerThread):
    keys = sqlite_server.new_account()
    ids = {FAMILIES["query"].send(sqlite_server, keys).headers["x-amzn-requestid"] for _ in range(5)}
    ids |= {FAMILIES["query"].send(sqlite_server, keys, authorization="").headers["x-amzn-requestid"]}
    assert len(ids) == 6


def test_the_id_in_the_body_is_the_header_s(sqlite_server: ServerThread):
    answer = FAMILIES["query"].send(sqlite_server, sqlite_server.new_account())
    assert f"<RequestId>{answer.headers['x-amzn-requestid']}</RequestId>" in answer.text
