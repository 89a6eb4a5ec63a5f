"""Who is let in, and what happens to sessions: forged, expired and foreign signatures, newer connections, lost acknowledgements."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.agentlink.helpers import acs_url, keys, read
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from roadstead.agent.client import Credentials, LinkRefused, connect_link, link_url
from roadstead.agent.client.credentials import FixedCredentials
from roadstead.agent.client.signing import signed_headers
from roadstead.agentlink.tcs import MOST_TASKS
from roadstead.wire import acs, tcs
from roadstead.wire.hosts import WATCH_PATH


async def refused(url: str, source: Any, region: str = "us-east-1", service: str = "ecs") -> LinkRefused:
    with pytest.raises(LinkRefused) as caught:
        async with connect_link(url, source, region, service):
            pass
    return caught.value


async def test_forged_signatures_are_refused(server, instance):
    known = keys(server).current()
    forged = FixedCredentials(Credentials(known.access_key_id, "x" * 40))
    for path, query, service in (
        ("/ws", {"clusterArn": "fargate", "containerInstanceArn": instance}, "ecs"),
        ("/tcs/ws", {"cluster": "fargate", "containerInstance": instance}, "ecs"),
        (WATCH_PATH.format(host="h-1"), {}, "roadstead"),
    ):
        error = await refused(link_url(server.endpoint, path, query), forged, service=service)
        assert error.status == 403
        assert "AccessDeniedException" in error.detail


async def test_a_signature_does_not_cover_another_instance(server, instance):
    source = keys(server).current()
    signed = signed_headers("GET", acs_url(server, instance), credentials=source, region="us-east-1", service="ecs")
    with pytest.raises(InvalidStatus):
        await connect(acs_url(server, instance + "0"), additional_headers=signed, proxy=None)


async def test_old_signatures_are_refused(server, instance):
    source = keys(server).current()
    signed = signed_headers(
        "GET",
        acs_url(server, instance),
        credentials=source,
        region="us-east-1",
        service="ecs",
        now=datetime.now(UTC) - timedelta(minutes=6),
    )
    with pytest.raises(InvalidStatus) as caught:
        await connect(acs_url(server, instance), additional_headers=signed, proxy=None)
    assert b"Signature expired" in (caught.value.response.body or b"")


async def test_unsigned_connections_are_refused(server, instance):
    with pytest.raises(InvalidStatus):
        await connect(acs_url(server, instance), proxy=None)


async def test_the_scope_must_be_the_links_own(server, instance):
    error = await refused(acs_url(server, instance), keys(server), service="logs")
    assert "scoped to logs" in error.detail


async def test_an_administrator_of_another_account_sees_no_instance(server, instance, admin):
    error = await refused(acs_url(server, instance), admin.credentials)
    assert json.loads(error.detail).keys() == {"AccessDeniedException"}
    assert "no resource-based policy allows" in error.detail


async def test_an_unknown_instance_is_inactive(server, instance):
    error = await refused(acs_url(server, instance + "0"), keys(server))
    assert json.loads(error.detail).keys() == {"InactiveInstanceException"}


async def test_another_hosts_stream_is_refused(server, instance, admin):
    own = keys(server).identity().host_id
    other = link_url(server.endpoint, WATCH_PATH.format(host="h-other"), {})
    assert (await refused(other, keys(server), service="roadstead")).status == 403
    mine = link_url(server.endpoint, WATCH_PATH.format(host=own), {})
    assert (await refused(mine, admin.credentials, service="roadstead")).status == 403


async def test_a_newer_session_closes_the_older(server, instance):
    source = keys(server)
    async with (
        connect_link(acs_url(server, instance), source, "us-east-1") as older,
        connect_link(acs_url(server, instance), source, "us-east-1") as newer,
    ):
        closing = await read(older, acs.CloseMessage)
        assert "newer connection" in closing.message
        with pytest.raises(ConnectionClosed):
            await older.recv()
        assert await read(newer, acs.HeartbeatMessage)


async def test_frames_that_make_no_sense_end_the_session(server, instance):
    async with connect_link(acs_url(server, instance), keys(server), "us-east-1") as connection:
        await connection.send("{nonsense")
        assert await read(connection, acs.BadRequestException)
        with pytest.raises(ConnectionClosed):
            await read(connection, acs.PayloadMessage)


async def test_messages_of_the_future_are_ignored(server, instance):
    async with connect_link(acs_url(server, instance), keys(server), "us-east-1") as connection:
        await connection.send('{"type":"FutureRequest","message":{}}')
        await connection.send(acs.TO_SERVER.encode(acs.AckRequest(message_id="never sent")))
        assert await read(connection, acs.HeartbeatMessage)


async def test_strays_are_named_to_be_stopped(server, instance):
    async with connect_link(acs_url(server, instance), keys(server), "us-east-1") as connection:
        manifest = await read(connection, acs.TaskManifestMessage)
        assert manifest.timeline >= 1
        stray = acs.TaskIdentifier(
            task_arn="arn:aws:ecs:us-east-1:000000000000:task/default/0123", desired_status="STOPPED"
        )
        message = acs.TaskStopVerificationMessage(message_id=manifest.message_id, stop_candidates=(stray,))
        await connection.send(acs.TO_SERVER.encode(message))
        verified = await read(connection, acs.TaskStopVerificationAck)
        assert verified.message_id == manifest.message_id
        assert [each.task_arn for each in verified.stop_tasks] == [stray.task_arn]


async def test_a_draining_server_says_so(server, instance):
    async with connect_link(acs_url(server, instance), keys(server), "us-east-1") as connection:
        await read(connection, acs.TaskManifestMessage)
        draining = asyncio.create_task(server.acs.links.drain())
        assert "stopping" in (await read(connection, acs.CloseMessage)).message
        with pytest.raises(ConnectionClosed):
            await connection.recv()
        await draining


async def test_telemetry_is_acknowledged_and_the_last_round_kept(server, instance):
    url = link_url(server.endpoint, "/tcs/ws", {"cluster": "fargate", "containerInstance": instance})
    async with connect_link(url, keys(server), "us-east-1") as connection:
        metric = tcs.TaskMetric(task_arn="t", container_metrics=(tcs.ContainerMetric(container_name="c"),))
        page = tcs.PublishMetricsRequest(metadata=tcs.MetricsMetadata(fin=True), task_metrics=(metric,))
        await connection.send(tcs.TO_SERVER.encode(page))
        async with asyncio.timeout(10):
            answer = tcs.TO_AGENT.decode(await connection.recv())
        assert isinstance(answer, tcs.AckPublishMetric)
        assert server.tcs.metrics.of_instance(instance)["t"] == metric


async def test_a_round_of_telemetry_without_end_ends_the_link_and_is_dropped(server, instance):
    url = link_url(server.endpoint, "/tcs/ws", {"cluster": "fargate", "containerInstance": instance})
    async with connect_link(url, keys(server), "us-east-1") as connection, asyncio.timeout(10):
        for first, told in ((0, tcs.AckPublishMetric), (MOST_TASKS, tcs.BadRequestException)):
            metrics = tuple(tcs.TaskMetric(task_arn=str(first + each)) for each in range(MOST_TASKS))
            page = tcs.PublishMetricsRequest(metadata=tcs.MetricsMetadata(fin=False), task_metrics=metrics)
            await connection.send(tcs.TO_SERVER.encode(page))
            assert isinstance(tcs.TO_AGENT.decode(await connection.recv()), told)
        assert isinstance(tcs.TO_AGENT.decode(await connection.recv()), tcs.StopTelemetrySessionMessage)
        with pytest.raises(ConnectionClosed):
            await connection.recv()
    assert server.tcs.metrics.of_instance(instance) == {}
