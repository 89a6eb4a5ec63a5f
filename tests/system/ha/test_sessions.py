"""Sessions are every server's, whoever gave them out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.system.ha.conftest import Pair

pytestmark = [pytest.mark.system, pytest.mark.postgres]
Session = tuple[str, str, str | None]


def _policy(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def _role(pair: Pair) -> str:
    iam = pair.a.client("iam")
    account = pair.a.client("sts").get_caller_identity()["Account"]
    trust = _policy(Principal={"AWS": account}, Action="sts:AssumeRole")
    arn = iam.create_role(RoleName="web", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="web", PolicyName="p", PolicyDocument=_policy(Action="*", Resource="*"))
    return arn


def _session(server: Any, arn: str, **more: Any) -> Session:
    found = server.client("sts").assume_role(RoleArn=arn, RoleSessionName="work", **more)["Credentials"]
    return found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]


def _code(server: Any, session: Session) -> str:
    """How listing clusters with a session ends."""
    try:
        server.client("ecs", session).list_clusters()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "OK"


def test_each_opens_what_the_other_gave_out(pair: Pair):
    arn = _role(pair)
    for giver, opener in ((pair.a, pair.b), (pair.b, pair.a)):
        session = _session(giver, arn, Policy=_policy(Action="ecs:ListClusters", Resource="*"))
        assert opener.client("sts", session).get_caller_identity()["Arn"].endswith(":assumed-role/web/work")
        assert _code(opener, session) == "OK"
        with pytest.raises(ClientError, match="no session policy allows"):
            opener.client("ecs", session).create_cluster(clusterName="x")


def test_what_one_revokes_the_other_refuses_with_the_next_request(pair: Pair):
    arn = _role(pair)
    session = _session(pair.a, arn)
    assert _code(pair.b, session) == "OK"
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    pair.a.client("iam").put_role_policy(
        RoleName="web",
        PolicyName="AWSRevokeOlderSessions",
        PolicyDocument=_policy(
            Effect="Deny", Action="*", Resource="*", Condition={"DateLessThan": {"aws:TokenIssueTime": now}}
        ),
    )
    assert [_code(server, session) for server in (pair.b, pair.a)] == ["AccessDeniedException"] * 2
    assert _code(pair.b, _session(pair.a, arn)) == "OK"


def test_a_server_that_starts_later_opens_older_sessions(pair: Pair):
    session = _session(pair.a, _role(pair))
    pair.b.stop()
    pair.a.kill()
    pair.b.start()
    assert _code(pair.b, session) == "OK"
