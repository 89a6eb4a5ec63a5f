"""The commands and where each lives."""

from __future__ import annotations

from cyclopts import App

from roadstead import __version__

app = App(name="roadstead", version=__version__, help="Your own ECS, EKS and ECR on machines that you own.")

app.command("roadstead.cli.up:up")
app.command("roadstead.cli.down:down")
app.command("roadstead.cli.status:status")
app.command("roadstead.cli.logs:logs")
app.command("roadstead.cli.environment:env")
app.command("roadstead.cli.environment:credentials")
app.command("roadstead.cli.coverage:coverage")
app.command("roadstead.cli.connect:connect")
app.command("roadstead.cli.engines:app", name="engines")
app.command("roadstead.cli.doctor:app", name="doctor")
app.command("roadstead.cli.serve:server")
app.command("roadstead.cli.serve:agent")
