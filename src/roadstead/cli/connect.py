"""`roadstead connect`: run a command inside a VPC's network."""

from __future__ import annotations

from roadstead.cli.failure import CommandFailed, require_root
from roadstead.cli.settings import DataOption, resolve_data
from roadstead.kernel.ids import directory_tag


def connect(vpc: str, *command: str, data: DataOption = None) -> None:
    """Run COMMAND (by default a shell) in the network of VPC, where every private address of it is reachable; needs root."""
    require_root()
    from roadstead.agent.host.network.enter import NoSuchNamespace, enter
    from roadstead.agent.host.network.names import InvalidName
    from roadstead.agent.host.network.namespaces import NamespaceDirectory

    where = resolve_data(data)
    try:
        enter(NamespaceDirectory(directory_tag(str(where))), vpc, command)
    except (NoSuchNamespace, InvalidName) as error:
        raise CommandFailed(
            f"{vpc} is not on this host: nothing has run in it yet, or there is no such VPC (see: aws ec2 describe-vpcs)"
        ) from error
    except OSError as error:
        raise CommandFailed(f"{' '.join(command) or 'a shell'} can't be run in {vpc}: {error}") from error
