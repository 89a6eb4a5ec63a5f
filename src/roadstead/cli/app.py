"""The commands and where each lives."""

from __future__ import annotations

from cyclopts import App

from roadstead import __version__

app = App(name="roadstead", version=__version__, help="Your own ECS, EKS and ECR on machines that you own.")

# Each module is imported when its command runs: `roadstead --help` shows these sentences without importing any.

app.command("roadstead.cli.up:up", help="Start Roadstead on this host and keep it running.")
app.command("roadstead.cli.down:down", help="Stop every task, free everything, and end.")
app.command("roadstead.cli.status:status", help="Show the processes of a deployment.")
app.command("roadstead.cli.logs:logs", help="Print what our processes and engines wrote.")
app.command("roadstead.cli.audit:audit", help="Print who did what, and follow it.")
app.command("roadstead.cli.audit:why", help="Explain how a request was decided.")
app.command("roadstead.cli.environment:env", help='Print shell exports: eval "$(roadstead env)".')
app.command("roadstead.cli.environment:credentials", help="Print the key for credential_process.")
app.command("roadstead.cli.coverage:coverage", help="Print which operations of which service are built.")
app.command("roadstead.cli.connect:connect", help="Run a command, by default a shell, inside a VPC.")
app.command("roadstead.cli.image:app", name="image", help="Import, export and copy images.")
app.command("roadstead.cli.account:app", name="account", help="Make accounts, list them, and limit them.")
app.command("roadstead.cli.engines:app", name="engines", help="List, install and locate the engines.")
app.command("roadstead.cli.doctor:app", name="doctor", help="Check this machine, and say what is missing.")
app.command("roadstead.cli.registry:app", name="registry", help="Check what the registry stores; collect garbage.")
app.command("roadstead.cli.serve:server", help="Run a server alone, in the foreground.")
app.command("roadstead.cli.serve:agent", help="Run an agent alone, in the foreground.")
