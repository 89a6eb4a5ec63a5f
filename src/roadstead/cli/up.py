"""`roadstead up`: everything on this host, supervised, until Ctrl-C or `roadstead down`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from cyclopts import Parameter

from roadstead.cli.checks import check, read_quotas
from roadstead.cli.failure import require_root
from roadstead.cli.settings import (
    Config,
    DatabaseOption,
    DataOption,
    FargateRuntime,
    PeersOption,
    QuotasOption,
    StateOption,
    resolve_data,
)
from roadstead.kernel.settings import DEFAULT_ACCOUNT, DEFAULT_LISTEN, DEFAULT_REGION


def up(
    *,
    data: DataOption = None,
    detach: Annotated[bool, Parameter(negative="", help="Return when everything is ready.")] = False,
    listen: Annotated[str, Parameter(help="HOST:PORT of the API and the registry.")] = DEFAULT_LISTEN,
    account: Annotated[str, Parameter(help="The default account, twelve digits.")] = DEFAULT_ACCOUNT,
    region: Annotated[str, Parameter(help="The default region.")] = DEFAULT_REGION,
    profile: Annotated[bool, Parameter(help="Write the AWS profile `roadstead`.")] = True,
    fargate_runtime: Annotated[FargateRuntime, Parameter(help="What isolates Fargate tasks.")] = "gvisor",
    database: DatabaseOption = None,
    state: StateOption = None,
    peers: PeersOption = (),
    iam_quotas: QuotasOption = (),
) -> None:
    """Start Roadstead on this host and keep it running; needs root."""
    require_root()
    where = resolve_data(data)
    config = Config(
        listen=listen,
        account=account,
        region=region,
        fargate_runtime=fargate_runtime,
        database=database,
        state=str(state.expanduser().resolve()) if state else None,
        peers=peers,
        iam_quotas=read_quotas(iam_quotas),
    )
    check(config)

    def work(ready: Callable[[], None]) -> None:
        import asyncio

        from roadstead.cli.deployment import run

        asyncio.run(run(where, config, profile=profile, ready=ready))

    if detach:
        from roadstead.cli.detach import detached
        from roadstead.engines.supervise import log_path

        detached(work, log_path(where, "up"))
    else:
        work(lambda: None)
