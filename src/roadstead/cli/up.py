"""`roadstead up`: everything on this host, supervised, until Ctrl-C or `roadstead down`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from cyclopts import Parameter

from roadstead.audit.settings import KEPT_MEGABYTES
from roadstead.cli import settings_file
from roadstead.cli.checks import check, read_quotas
from roadstead.cli.failure import require_root
from roadstead.cli.settings import (
    AuditOption,
    BlobsOption,
    Config,
    ConfigOption,
    DatabaseOption,
    DataOption,
    FargateRuntime,
    GraceOption,
    PeersOption,
    QuotasOption,
    StateOption,
    absolute,
    resolve_data,
)
from roadstead.kernel.settings import DEFAULT_ACCOUNT, DEFAULT_GC_GRACE, DEFAULT_LISTEN, DEFAULT_REGION


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
    audit_megabytes: AuditOption = KEPT_MEGABYTES,
    config: ConfigOption = None,
    blobs: BlobsOption = None,
    gc_grace: GraceOption = None,
) -> None:
    """Start Roadstead on this host and keep it running; needs root."""
    require_root()
    where = resolve_data(data)
    settings = Config(
        listen=listen,
        account=account,
        region=region,
        fargate_runtime=fargate_runtime,
        database=database,
        state=absolute(state),
        peers=peers,
        iam_quotas=read_quotas(iam_quotas),
        audit_megabytes=audit_megabytes,
        config_file=absolute(config),
        blobs=blobs,
        gc_grace=DEFAULT_GC_GRACE if gc_grace is None else gc_grace,
    )
    check(settings)
    settings_file.check(where, settings)

    def work(ready: Callable[[], None]) -> None:
        import asyncio

        from roadstead.cli.deployment import run

        asyncio.run(run(where, settings, profile=profile, ready=ready))

    if detach:
        from roadstead.cli.deployment import refuse_second
        from roadstead.cli.detach import detached
        from roadstead.engines.supervise import log_path

        refuse_second(where)  # before anything is written to the log, which is the other one's
        detached(work, log_path(where, "up"))
    else:
        work(lambda: None)
