"""`roadstead doctor`: is this machine fit, and what is missing?"""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from roadstead.cli.settings import DataOption, resolve_data
from roadstead.engines.catalog import Catalog
from roadstead.engines.checkup import Finding, Verdict, examine

app = App(name="doctor", help="Check whether this machine can run Roadstead, and say what is missing.")

_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.PROBLEM: "bold red"}


@app.default
async def doctor(
    *, data: DataOption = None, as_json: Annotated[bool, Parameter(name="--json", negative=())] = False
) -> int:
    """Look at privileges, cgroups, kernel, name resolution, disk and engines. Exit status 1 when there is a problem.

    Parameters
    ----------
    data
        The directory in which the deployment lives or will live.
    as_json
        Print a list of findings for programs.

    """
    findings = await examine(Catalog.load(), resolve_data(data))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(findings), indent=2).decode())
    else:
        _show(findings)
    return int(any(finding.verdict is Verdict.PROBLEM for finding in findings))


def _show(findings: list[Finding]) -> None:
    console = Console()
    if console.is_terminal:
        console.print(_table(findings))
        return
    for finding in findings:
        advice = f" ({finding.advice})" if finding.advice else ""
        print(f"{finding.verdict:8}{finding.subject}: {finding.detail}{advice}")


def _table(findings: list[Finding]) -> Table:
    table = Table("", "what", "found", "what to do", box=None, pad_edge=False)
    for finding in findings:
        verdict = f"[{_STYLES[finding.verdict]}]{finding.verdict}[/]"
        table.add_row(verdict, finding.subject, finding.detail, finding.advice)
    return table
