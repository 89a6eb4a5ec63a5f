"""The credential report: GenerateCredentialReport, GetCredentialReport.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select

from roadstead.access.tables import access_keys, accounts, users
from roadstead.kernel.arn import Arn
from roadstead.services.iam.entities import entity_arn
from roadstead.services.iam.errors import CredentialReportExpiredException, CredentialReportNotPresentException
from roadstead.services.iam.password_policy import read_password_policy
from roadstead.services.iam.tables import access_key_uses, credential_reports, login_profiles, mfa_devices
from roadstead.services.operation import Context, operation

VALID = timedelta(hours=4)
"""How long a report is the current one."""

_KEY_COLUMNS = ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
COLUMNS = (
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "password_next_rotation",
    "mfa_active",
    *(f"access_key_{number}_{column}" for number in (1, 2) for column in _KEY_COLUMNS),
    *(f"cert_{number}_{column}" for number in (1, 2) for column in ("active", "last_rotated")),
)
_NONE = "N/A"
_UNKNOWN = "no_information"
_UNSUPPORTED = "not_supported"


@operation("iam:GenerateCredentialReport")
async def generate_credential_report(ctx: Context, request: Mapping[str, object]) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GenerateCredentialReport.html: at most every four hours."""
    del request
    report, now = await _latest(ctx), ctx.clock.now()
    if report is not None and now - report.generated_at < VALID:
        return {"State": "COMPLETE"}
    content = await _content(ctx)
    await ctx.tx.execute(delete(credential_reports).where(credential_reports.c.account == ctx.account))
    await ctx.tx.execute(insert(credential_reports).values(account=ctx.account, content=content, generated_at=now))
    return {"State": "STARTED", "Description": "No report exists. Starting a new report generation task"}


@operation("iam:GetCredentialReport", reads=True)
async def get_credential_report(ctx: Context, request: Mapping[str, object]) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetCredentialReport.html."""
    del request
    report = await _latest(ctx)
    if report is None:
        raise CredentialReportNotPresentException("No report has been generated for this account.")
    if ctx.clock.now() - report.generated_at >= VALID:
        raise CredentialReportExpiredException("The credential report has expired. Generate a new one.")
    return {
        "Content": str(report.content).encode(),
        "ReportFormat": "text/csv",
        "GeneratedTime": report.generated_at,
    }


async def _latest(ctx: Context) -> Any | None:
    stmt = select(credential_reports).where(credential_reports.c.account == ctx.account)
    return (await ctx.tx.execute(stmt)).one_or_none()


async def _content(ctx: Context) -> str:
    profiles = {str(row.user_name): row for row in await _rows(ctx, select(login_profiles), login_profiles)}
    with_mfa = {str(row.user_name) for row in await _rows(ctx, select(mfa_devices), mfa_devices)}
    keys: dict[str, list[Any]] = {}
    with_use = select(access_keys, access_key_uses.c.used_at, access_key_uses.c.region, access_key_uses.c.service)
    joined = with_use.outerjoin(access_key_uses, access_key_uses.c.access_key_id == access_keys.c.access_key_id)
    for row in await _rows(ctx, joined.order_by(access_keys.c.created_at), access_keys):
        keys.setdefault(str(row.user_name), []).append(row)
    days = ((await read_password_policy(ctx.tx, ctx.account)) or {}).get("MaxPasswordAge")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerow(await _root(ctx))
    for user in await _rows(ctx, select(users).order_by(users.c.user_name), users):
        name = str(user.user_name)
        profile = profiles.get(name)
        writer.writerow(
            [
                name,
                str(entity_arn(ctx.account, "user", user.path, name)),
                _time(user.created_at),
                *_password(profile, days),
                _flag(name in with_mfa),
                *_keys(keys.get(name, [])),
                *(_flag(False), _NONE) * 2,
            ]
        )
    return text.getvalue().rstrip("\n")


async def _rows(ctx: Context, stmt: Any, table: Any) -> Sequence[Any]:
    return (await ctx.tx.execute(stmt.where(table.c.account == ctx.account))).all()


async def _root(ctx: Context) -> list[str]:
    """The account's own row; nobody signs in as the root user here, and it has no keys."""
    made = (await ctx.tx.execute(select(accounts.c.created_at).where(accounts.c.account == ctx.account))).scalar()
    if made is None:
        first = select(func.min(users.c.created_at)).where(users.c.account == ctx.account)
        made = (await ctx.tx.execute(first)).scalar()
    arn = str(Arn(service="iam", region="", account=ctx.account, resource="root"))
    return [
        "<root_account>",
        arn,
        _time(made) if isinstance(made, datetime) else _NONE,
        _UNSUPPORTED,
        _UNKNOWN,
        _UNSUPPORTED,
        _UNSUPPORTED,
        _flag(False),
        *_keys([]),
        *(_flag(False), _NONE) * 2,
    ]


def _password(profile: Any | None, days: int | None) -> list[str]:
    if profile is None:
        return [_flag(False), _NONE, _NONE, _NONE]
    rotation = _time(profile.changed_at + timedelta(days=days)) if days else _NONE
    return [_flag(True), _UNKNOWN, _time(profile.changed_at), rotation]


def _keys(rows: Sequence[Any]) -> list[str]:
    """Five columns for each of two keys."""
    columns: list[str] = []
    for number in range(2):
        if number >= len(rows):
            columns += [_flag(False), _NONE, _NONE, _NONE, _NONE]
            continue
        row = rows[number]
        used = [_time(row.used_at), row.region, row.service] if row.used_at is not None else [_NONE] * 3
        columns += [_flag(row.status == "Active"), _time(row.created_at), *used]
    return columns


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _flag(value: bool) -> str:
    return "true" if value else "false"
