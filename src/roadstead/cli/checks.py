"""What settings a deployment can't have."""

from __future__ import annotations

from roadstead.cli.failure import CommandFailed
from roadstead.cli.settings import Config


def check(config: Config) -> None:
    """Raise CommandFailed for settings that can't work, or that would put keys on a wire in the clear."""
    host, _, port = config.listen.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise CommandFailed(f"--listen takes HOST:PORT, not {config.listen!r}")
    if config.host not in ("127.0.0.1", "::1", "localhost"):
        raise CommandFailed(
            f"--listen {config.listen}: plain HTTP is served on loopback only; TLS for other addresses is not built yet"
        )
    if len(config.account) != 12 or not config.account.isdecimal():
        raise CommandFailed(f"--account takes twelve digits, not {config.account!r}")
    if (config.state or config.peers) and config.database is None:
        raise CommandFailed("several servers need one database that all of them reach: add --database postgresql://…")
