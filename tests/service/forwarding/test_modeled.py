"""Services whose requests their models describe, through us: boto3 against moto's server, each protocol once."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.service.forwarding.conftest import ACCOUNT
from tests.support.ports import free_port
from tests.support.server import REGION, Keys, ServerThread, refusal, server_thread

from roadstead.gateway.forwarding import UpstreamSettings

SERVICES = ("dynamodb", "dynamodbstreams", "sqs", "sns", "lambda", "stepfunctions", "cloudformation")
ALLOW = {"Effect": "Allow", "Action": "*", "Resource": "*"}
MOTO = "123456789012"
"""The account that moto has everything in."""
TABLE = f"arn:aws:dynamodb:{REGION}:{MOTO}:table"
KEY = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"}
ATTRIBUTES = [{"AttributeName": "id", "AttributeType": "S"}]


class Moto:
    """A server with moto behind it."""

    def __init__(self, server: ServerThread) -> None:
        self.server = server
        self.names = 0

    def client(self, service: str, *statements: Mapping[str, object]) -> Any:
        """A boto3 client of a new user with these statements."""
        return self.server.client(service, self.user(*statements or (ALLOW,)))

    def user(self, *statements: Mapping[str, object]) -> Keys:
        self.names += 1
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        return self.server.new_user(ACCOUNT, f"user-{self.names}", document)


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while not _answers(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        upstreams = tuple(
            UpstreamSettings(
                service=service,
                arn_account=MOTO,
                endpoint=f"http://127.0.0.1:{port}",
                access_key_id="upstream",
                secret_access_key="upstream",
            )
            for service in SERVICES
        )
        with server_thread(tmp_path_factory.mktemp("server"), upstreams=upstreams) as server:
            yield Moto(server)
    finally:
        process.terminate()
        process.wait(20)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/data.json", timeout=5):
            return True
    except OSError:
        return False


def table(moto: Moto, name: str) -> str:
    moto.client("dynamodb").create_table(TableName=name, AttributeDefinitions=ATTRIBUTES, **KEY)
    return name


def item(value: str) -> dict[str, Any]:
    return {"id": {"S": value}}


def test_json_with_a_table_in_the_parameters(moto: Moto) -> None:
    table(moto, "orders")
    table(moto, "secrets")
    dynamodb = moto.client(
        "dynamodb",
        {"Effect": "Allow", "Action": ["dynamodb:PutItem", "dynamodb:GetItem"], "Resource": f"{TABLE}/orders"},
    )
    dynamodb.put_item(TableName="orders", Item=item("1"))
    assert dynamodb.get_item(TableName="orders", Key=item("1"))["Item"] == item("1")
    assert dynamodb.get_item(TableName=f"{TABLE}/orders", Key=item("1"))["Item"] == item("1")
    denied = refusal(dynamodb.get_item, TableName="secrets", Key=item("1"))
    assert denied.code == "AccessDeniedException"
    assert f"dynamodb:GetItem on resource: {TABLE}/secrets because no" in denied.message
    assert refusal(dynamodb.list_tables).code == "AccessDeniedException"
    unknown = refusal(moto.client("dynamodb").get_item, TableName="none", Key=item("1"))
    assert unknown.code == "ResourceNotFoundException"


def test_every_table_of_a_batch_and_of_a_transaction_counts(moto: Moto) -> None:
    for name in ("open", "closed"):
        table(moto, name)
    dynamodb = moto.client("dynamodb", ALLOW, {"Effect": "Deny", "Action": "*", "Resource": f"{TABLE}/closed"})
    both = {name: {"Keys": [item("1")]} for name in ("open", "closed")}
    assert dynamodb.batch_get_item(RequestItems={"open": both["open"]})["Responses"] == {"open": []}
    assert refusal(dynamodb.batch_get_item, RequestItems=both).code == "AccessDeniedException"
    put = {"Put": {"TableName": "open", "Item": item("2")}}
    dynamodb.transact_write_items(TransactItems=[put])
    check = {"ConditionCheck": {"TableName": "closed", "Key": item("1"), "ConditionExpression": "attribute_exists(id)"}}
    assert refusal(dynamodb.transact_write_items, TransactItems=[put, check]).code == "AccessDeniedException"
    get = {"Get": {"TableName": "closed", "Key": item("1")}}
    assert refusal(dynamodb.transact_get_items, TransactItems=[get]).code == "AccessDeniedException"


def test_keys_that_can_not_be_read_do_not_open(moto: Moto) -> None:
    table(moto, "own")
    own = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${aws:username}"]}}
    dynamodb = moto.client(
        "dynamodb",
        {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": f"{TABLE}/own", "Condition": own},
    )
    assert refusal(dynamodb.get_item, TableName="own", Key=item("somebody")).code == "AccessDeniedException"


def test_an_operation_without_a_known_action_is_refused_by_name(moto: Moto) -> None:
    refused = refusal(moto.client("dynamodb").execute_statement, Statement='SELECT * FROM "orders"')
    assert refused.status == 501
    assert "dynamodb:ExecuteStatement" in refused.message


def test_a_queue_by_its_url(moto: Moto) -> None:
    admin = moto.client("sqs")
    url = admin.create_queue(QueueName="jobs")["QueueUrl"]
    other = admin.create_queue(QueueName="others")["QueueUrl"]
    sqs = moto.client(
        "sqs", {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": f"arn:aws:sqs:{REGION}:{MOTO}:jobs"}
    )
    assert sqs.send_message(QueueUrl=url, MessageBody="hello")["MessageId"]
    assert sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "x"}])["Successful"]
    assert refusal(sqs.send_message, QueueUrl=other, MessageBody="x").code == "AccessDenied"
    assert refusal(sqs.receive_message, QueueUrl=url).code == "AccessDenied"


def test_query(moto: Moto) -> None:
    arn = moto.client("sns").create_topic(Name="news")["TopicArn"]
    topic = f"arn:aws:sns:{REGION}:{MOTO}"
    sns = moto.client(
        "sns",
        {"Effect": "Allow", "Action": "sns:CreateTopic", "Resource": f"{topic}:mine"},
        {"Effect": "Allow", "Action": "sns:Publish", "Resource": arn},
    )
    assert sns.create_topic(Name="mine")["TopicArn"].endswith(":mine")
    denied = refusal(sns.create_topic, Name="news")
    assert (denied.code, denied.status) == ("AccessDenied", 403)
    assert f"on resource: {topic}:news" in denied.message
    assert sns.publish(TopicArn=arn, Message="hello")["MessageId"]
    assert refusal(sns.publish, TopicArn=f"{topic}:mine", Message="x").code == "AccessDenied"
    assert "Stacks" in moto.client("cloudformation").describe_stacks()


def test_rest_json(moto: Moto) -> None:
    awslambda = moto.client("lambda")
    assert awslambda.list_functions()["Functions"] == []
    assert refusal(awslambda.get_function, FunctionName="none").code == "ResourceNotFoundException"
    arn = f"arn:aws:lambda:{REGION}:{MOTO}:function:mine"
    limited = moto.client("lambda", {"Effect": "Allow", "Action": "lambda:GetFunction", "Resource": arn})
    assert refusal(limited.get_function, FunctionName="mine").code == "ResourceNotFoundException"
    denied = refusal(limited.get_function, FunctionName="other")
    assert (denied.code, denied.status) == ("AccessDeniedException", 403)


def test_a_role_that_is_handed_over_must_be_allowed_to_be(moto: Moto) -> None:
    role = f"arn:aws:iam::{MOTO}:role/machine"
    definition = {"name": "m", "definition": '{"StartAt":"a","States":{"a":{"Type":"Succeed"}}}', "roleArn": role}
    states = {"Effect": "Allow", "Action": "states:*", "Resource": "*"}
    denied = refusal(moto.client("stepfunctions", states).create_state_machine, **definition)
    assert f"iam:PassRole on resource: {role}" in denied.message
    passing = {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": role,
        "Condition": {"StringEquals": {"iam:PassedToService": "states.amazonaws.com"}},
    }
    made = moto.client("stepfunctions", states, passing).create_state_machine(**definition)
    assert made["stateMachineArn"].endswith(":m")


def test_tags_of_a_request_are_condition_keys(moto: Moto) -> None:
    web = {"StringEquals": {"aws:RequestTag/team": "web"}}
    sqs = moto.client("sqs", {"Effect": "Allow", "Action": "sqs:CreateQueue", "Resource": "*", "Condition": web})
    assert sqs.create_queue(QueueName="tagged", tags={"team": "web"})["QueueUrl"]
    assert refusal(sqs.create_queue, QueueName="untagged").code == "AccessDenied"


def test_another_account_has_no_part_in_it(moto: Moto) -> None:
    other = moto.server.client("dynamodb", moto.server.new_account())
    assert "no resource-based policy allows" in refusal(other.list_tables).message


def test_signatures(moto: Moto) -> None:
    keys = moto.user(ALLOW)
    forged = Keys(keys.account, keys.key, "forged")
    assert refusal(moto.server.client("dynamodb", forged).list_tables).code == "InvalidSignatureException"
    assert refusal(moto.server.client("sns", forged).list_topics).code == "SignatureDoesNotMatch"
    kind = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.ListTables"}
    answer = moto.server.send("POST", "/", kind, b"{}")
    assert (answer.status, answer.json["__type"]) == (400, "MissingAuthenticationTokenException")
    presigned = moto.server.client("sns", keys).generate_presigned_url("list_topics", HttpMethod="GET")
    with urllib.request.urlopen(presigned, timeout=20) as fetched:
        assert b"<ListTopicsResult>" in fetched.read()


def test_our_own_services_and_those_of_nobody_answer_as_without_upstreams(moto: Moto) -> None:
    assert moto.client("sts").get_caller_identity()["Account"] == ACCOUNT
    refused = refusal(moto.client("kinesis").list_streams)
    assert (refused.code, refused.status) == ("NotImplemented", 501)
    assert refused.message.startswith("The service kinesis is not part of Roadstead;")
    assert "not part of Roadstead" in refusal(moto.client("s3").list_buckets).message
