"""Two servers on one database answer as one."""

from __future__ import annotations

import hashlib
import json
import signal
import threading
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.support.server_process import server_process
from tests.support.waiting import until
from tests.system.ha.conftest import Pair

pytestmark = [pytest.mark.system, pytest.mark.postgres]
LEASE_SECONDS = 20
MARGIN = 10


def test_both_start_at_once_on_an_empty_database(postgres_server, tmp_path):
    name = postgres_server.create_database()
    url, state = postgres_server.url(name), tmp_path / "state"
    with (
        server_process(tmp_path / "a", database=url, state=state) as a,
        server_process(tmp_path / "b", database=url, state=state) as b,
    ):
        a.spawn()
        b.spawn()
        for each in (a, b):
            until(lambda each=each: each.status("health") == 200, "healthy", 60)
        keys = {each.credentials()["accessKeyId"] for each in (a, b)}
        assert len(keys) == 1, "the administrator is the deployment's, not a server's"
        for each in (a, b):
            assert each.client("sts").get_caller_identity()["Arn"].endswith(":user/admin")
    postgres_server.drop_database(name)


def test_each_sees_what_the_other_wrote_at_once(pair: Pair):
    a, b = pair.a.client("ecs"), pair.b.client("ecs")
    for number in range(20):
        writer, reader = (a, b) if number % 2 else (b, a)
        writer.create_cluster(clusterName=f"c{number}")
        assert len(reader.describe_clusters(clusters=[f"c{number}"])["clusters"]) == 1


def test_a_policy_change_counts_for_the_next_request_on_the_other(pair: Pair):
    iam = pair.a.client("iam")
    iam.create_user(UserName="dev")
    key = iam.create_access_key(UserName="dev")["AccessKey"]
    dev = pair.b.client("ecs", (key["AccessKeyId"], key["SecretAccessKey"], None))
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ecs:ListClusters", "Resource": "*"}]}
    )
    for _ in range(5):
        with pytest.raises(ClientError) as refused:
            dev.list_clusters()
        assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
        iam.put_user_policy(UserName="dev", PolicyName="p", PolicyDocument=document)
        dev.list_clusters()
        iam.delete_user_policy(UserName="dev", PolicyName="p")


def test_a_push_to_one_is_pulled_from_the_other(pair: Pair):
    ecr = pair.a.client("ecr")
    ecr.create_repository(repositoryName="app")
    layer = b"x" * 100_000
    started = ecr.initiate_layer_upload(repositoryName="app")
    ecr.upload_layer_part(
        repositoryName="app",
        uploadId=started["uploadId"],
        partFirstByte=0,
        partLastByte=len(layer) - 1,
        layerPartBlob=layer,
    )
    digest = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    ecr.complete_layer_upload(repositoryName="app", uploadId=started["uploadId"], layerDigests=[digest])
    found = pair.b.client("ecr").batch_check_layer_availability(repositoryName="app", layerDigests=[digest])
    assert found["layers"][0]["layerAvailability"] == "AVAILABLE"


def test_a_kill_loses_nothing_that_was_acknowledged(pair: Pair):
    acknowledged: list[str] = []
    enough, killed = threading.Event(), threading.Event()

    def write(part: int) -> None:
        ecs: Any = pair.a.client("ecs")
        for number in range(10_000):
            try:
                arn = ecs.create_cluster(clusterName=f"k{part}-{number}")["cluster"]["clusterArn"]
            except (ClientError, BotoCoreError):
                if killed.is_set():
                    return
                raise
            acknowledged.append(arn)
            if len(acknowledged) > 100:
                enough.set()

    writers = [threading.Thread(target=write, args=(part,)) for part in range(4)]
    for writer in writers:
        writer.start()
    assert enough.wait(60)
    killed.set()
    pair.a.kill()
    for writer in writers:
        writer.join(60)
    there = pair.b.client("ecs").get_paginator("list_clusters").paginate()
    kept = {arn for page in there for arn in page["clusterArns"]}
    assert set(acknowledged) <= kept


def test_controllers_move_when_their_server_is_killed(pair: Pair):
    leader, fence = until(lambda: _held(pair, "controller/tasks"), "a leader")
    leader.kill()
    other = pair.other(leader)
    until(lambda: pair.holder("controller/tasks")[0] is other, "the other leads", LEASE_SECONDS + MARGIN)
    assert pair.holder("controller/tasks")[1] > fence


def test_controllers_move_at_once_when_their_server_stops(pair: Pair):
    leader, _ = until(lambda: _held(pair, "controller/tasks"), "a leader")
    assert leader.stop() == 0
    assert pair.holder("controller/tasks")[0] is None, "the lease was released before the process ended"
    other = pair.other(leader)
    until(lambda: pair.holder("controller/tasks")[0] is other, "the other leads", MARGIN)


def test_a_paused_leader_finds_its_lease_gone_and_writes_nothing(pair: Pair):
    leader, fence = until(lambda: _held(pair, "controller/tasks"), "a leader")
    leader.signal(signal.SIGSTOP)
    other = pair.other(leader)
    until(lambda: pair.holder("controller/tasks")[0] is other, "the other leads", LEASE_SECONDS + MARGIN)
    taken = pair.holder("controller/tasks")[1]
    leader.signal(signal.SIGCONT)
    until(lambda: _lost(leader, "tasks"), "the old leader is refused", MARGIN)
    assert taken > fence
    assert pair.holder("controller/tasks") == (other, taken), "nobody took it back"
    pair.a.client("ecs").list_clusters()
    pair.b.client("ecs").list_clusters()


def _held(pair: Pair, lease: str):
    server, fence = pair.holder(lease)
    return (server, fence) if server is not None else None


def _lost(server, controller: str) -> bool:
    return any(line["controller"] == controller for line in server.lines("lease lost"))
