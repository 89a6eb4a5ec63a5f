"""What IAM costs: decisions a second as a server makes them, and the part of a request's time that is spent in it.

The principal is a user with ten of AWS's managed policies. Decisions are asked of the gate, with its transaction on SQLite: cold is with
nothing remembered (policies read, parsed, compiled), cached is what every request after the first does, other account's policy changed is
what the first request after a change of the user's own account does. The share is of the server's own processor time, taken in its thread
while another process sends signed requests over 8 connections: the rest of a request is HTTP, codec, the operation and its database.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from time import thread_time
from typing import Any

import boto3
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.signed_load import CALLS
from benchmarks.support import machine_facts, print_facts, print_table

from roadstead.access.aws_managed import PREFIX
from roadstead.access.gatekeeper import Gate, Gatekeeper
from roadstead.access.identities import IdentityCache
from roadstead.access.master_key import MasterKey
from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.resource import Resource
from roadstead.access.sealing import Sealer
from roadstead.core.policy.compile import compiled_text
from roadstead.gateway import dispatch
from roadstead.kernel.arn import Arn
from roadstead.kernel.logging import configure_logging
from roadstead.server.files import read_credentials
from roadstead.server.parts import Server, running_server
from roadstead.server.serving import HttpServer, uvicorn_config
from roadstead.server.settings import ServerSettings
from roadstead.store import Transaction

LOAD = Path(__file__).with_name("signed_load.py")
CLIENTS = 8
POLICIES = (
    "AmazonECS_FullAccess",
    "AmazonEC2ContainerRegistryFullAccess",
    "AmazonEC2ReadOnlyAccess",
    "AmazonVPCReadOnlyAccess",
    "AutoScalingReadOnlyAccess",
    "CloudWatchLogsFullAccess",
    "CloudWatchReadOnlyAccess",
    "ElasticLoadBalancingFullAccess",
    "IAMReadOnlyAccess",
    "ReadOnlyAccess",
)
REGION = "us-east-1"


@dataclass(slots=True)
class Clock:
    """Processor time of the server's thread that parts of requests took, in seconds."""

    spent: dict[str, float] = field(default_factory=dict[str, float])

    def timing(self, part: str, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """`work`, with its time added to a part. On SQLite nothing of it waits, so no other request's time is in it."""

        async def timed(*arguments: Any, **named: Any) -> Any:
            started = thread_time()
            try:
                return await work(*arguments, **named)
            finally:
                self.spent[part] = self.spent.get(part, 0.0) + thread_time() - started

        return timed

    async def own_cost(self, times: int = 20_000) -> float:
        """Seconds that taking the time adds to each part: asking the kernel for it takes as long as a tenth of a decision."""

        async def nothing() -> None: ...

        timed = self.timing("nothing", nothing)
        for _ in range(times):
            await timed()
        return self.spent.pop("nothing") / times


class ServerThread:
    """A server in a thread of this process, so that its parts can be timed. It logs as a server does, to nowhere."""

    def __init__(self, data: Path) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.settings = ServerSettings(data_dir=data, port=self.port)
        self._started: Future[Server] = Future()
        self._thread = threading.Thread(target=self._run, name="server")

    def __enter__(self) -> ServerThread:
        self._thread.start()
        self.server = self._started.result(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._web.stop)
        self._thread.join(60)
        self._listener.close()

    def do(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """Run a coroutine in the server's thread."""

        async def on_loop() -> Any:
            return await work()

        return asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result(600)

    def client(self, service: str, key: str, secret: str) -> Any:
        """A boto3 client."""
        return boto3.client(  # type: ignore[call-overload]
            service,  # type: ignore[arg-type]
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
        )

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                runner.run(self._serve())
            except BaseException as error:
                if self._started.done():
                    raise
                self._started.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with running_server(self.settings) as server:
            self._web = HttpServer(uvicorn_config(server.app, server.relay_keys), server.links.drain)
            self._started.set_result(server)
            await self._web.serve(sockets=[self._listener])


@dataclass(frozen=True, slots=True)
class User:
    """The principal and its key."""

    arn: Arn
    key: str
    secret: str


def make_user(server: ServerThread) -> User:
    """A user with the ten policies, in the administrator's account, and what the calls are about."""
    admin = read_credentials(server.settings.data_dir)
    iam = server.client("iam", admin.access_key_id, admin.secret_access_key)
    arn = iam.create_user(UserName="ann")["User"]["Arn"]
    for name in POLICIES:
        iam.attach_user_policy(UserName="ann", PolicyArn=f"{PREFIX}/{name}")
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    ecs = server.client("ecs", admin.access_key_id, admin.secret_access_key)
    ecs.create_cluster(clusterName="default", tags=[{"key": "team", "value": "yellow"}])
    return User(Arn.parse(arn), key["AccessKeyId"], key["SecretAccessKey"])


async def decisions(server: Server, keeper: Gatekeeper, user: User, times: int) -> list[tuple[str, float]]:
    """Microseconds of a decision, by what is remembered."""
    principal = Principal(PrincipalKind.USER, user.arn.account, user.arn, user.arn, "AIDAEXAMPLE", user.key)
    resource = Resource(
        Arn("ecs", REGION, user.arn.account, "task/default/0123456789abcdef"),
        {"aws:ResourceTag/team": "yellow", "ecs:cluster": "default"},
    )

    async def ask(tx: Transaction, action: str = "ecs:DescribeTasks") -> None:
        await keeper.at(tx).authorise(principal, action, [resource], {})

    async def timed(work: Callable[[Transaction], Awaitable[None]], times: int) -> float:
        best = float("inf")
        for _ in range(5):
            spent = 0.0
            for _ in range(times):
                async with server.store.snapshot() as tx:
                    started = thread_time()
                    await work(tx)
                    spent += thread_time() - started
            best = min(best, spent)
        return best / times * 1e6

    async def cold(tx: Transaction) -> None:
        compiled_text.cache_clear()
        await changed(tx)

    async def changed(tx: Transaction) -> None:
        keeper._cache = IdentityCache(keeper.master)  # pyright: ignore[reportPrivateUsage] - nothing forgets it but a change
        await ask(tx)

    return [
        ("cold: nothing remembered", await timed(cold, max(times // 500, 3))),
        ("first after a change in the account", await timed(changed, max(times // 20, 3))),
        ("cached", await timed(ask, times)),
    ]


def ask_for_tags(server: ServerThread) -> None:
    """One more policy for the user, which asks every cluster for a tag."""
    admin = read_credentials(server.settings.data_dir)
    iam = server.client("iam", admin.access_key_id, admin.secret_access_key)
    condition = {"StringEquals": {"aws:ResourceTag/team": "blue"}}
    statement = {"Effect": "Deny", "Action": "ecs:*", "Resource": "*", "Condition": condition}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="ann", PolicyName="not-blue", PolicyDocument=document)


def share(server: ServerThread, user: User, call: str, requests: int, clock: Clock, note: str = "") -> list[str]:
    """One row: microseconds of a request, and of IAM's parts in it."""
    options = {
        "--port": server.port,
        "--key": user.key,
        "--secret": user.secret,
        "--connections": CLIENTS,
        "--requests": requests,
    }
    command = [sys.executable, str(LOAD), call, *(str(part) for pair in options.items() for part in pair)]

    async def now() -> float:
        return time.thread_time()

    def burst() -> tuple[float, dict[str, float]]:
        clock.spent.clear()
        before = server.do(now)
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        result = json.loads(done.stdout)
        if set(result["statuses"]) != {"200"}:
            raise RuntimeError(f"{call} answered {result['statuses']}")
        return (server.do(now) - before) / requests * 1e6, {k: v / requests * 1e6 for k, v in clock.spent.items()}

    burst()
    own = server.do(clock.own_cost) * 1e6
    total, parts = min((burst() for _ in range(5)), key=lambda found: found[0])
    signature, decision = (max(parts.get(part, 0.0) - own, 0.0) for part in ("signature", "decision"))
    return [
        call + note,
        f"{total:.0f}",
        f"{signature:.0f}",
        f"{signature / total:.1%}",
        f"{decision:.0f}",
        f"{decision / total:.1%}",
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5000, help="decisions a round")
    parser.add_argument("--requests", type=int, default=4000, help="requests a burst")
    arguments = parser.parse_args()
    facts, clock = machine_facts(), Clock()
    with (
        Path(os.devnull).open("wb") as nowhere,
        tempfile.TemporaryDirectory(prefix="roadstead-bench-") as folder,
        ServerThread(Path(folder) / "data") as server,
    ):
        configure_logging(descriptor=nowhere.fileno())
        user = make_user(server)
        master = MasterKey.load(server.settings.master_key)

        async def decide() -> list[tuple[str, float]]:
            sealer = await Sealer.load(server.server.store, master, server.server.store.clock)
            keeper = Gatekeeper(sealer, master, server.server.store.clock)
            return await decisions(server.server, keeper, user, arguments.times)

        measured = server.do(decide)
        Gate.authenticate = clock.timing("signature", Gate.authenticate)  # type: ignore[method-assign]
        dispatch._authorise = clock.timing("decision", dispatch._authorise)  # type: ignore[assignment]
        rows = [share(server, user, call, arguments.requests, clock) for call in CALLS]
        ask_for_tags(server)
        asking = "ecs:DescribeClusters"
        rows.append(share(server, user, asking, arguments.requests, clock, ", a policy asks for its tags"))
    print_facts(facts)
    print(f"\na user with {len(POLICIES)} of AWS's managed policies; processor time, the best of five rounds\n")
    print_table(["decision", "µs", "a second"], [[name, f"{us:.1f}", f"{1e6 / us:,.0f}"] for name, us in measured])
    print(f"\nprocessor time of the server for one request, {CLIENTS} connections\n")
    print_table(["call", "request µs", "signature µs", "", "decision µs", ""], rows)


if __name__ == "__main__":
    main()
