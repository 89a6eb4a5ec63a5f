"""What settings a deployment can't have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from roadstead.cli.failure import CommandFailed
from roadstead.cli.settings import Config
from roadstead.kernel.regions import is_region


def check(config: Config) -> None:
    """Raise CommandFailed for settings that can't work, or that would put keys on a wire in the clear."""
    host, _, port = config.listen.rpartition(":")
    if ":" in host and not (host.startswith("[") and host.endswith("]")) and "//" not in host:
        raise CommandFailed(f"--listen takes an IPv6 address in brackets: [{host}]:{port}")
    if "//" in host or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise CommandFailed(f"--listen takes HOST:PORT, not {config.listen!r}")
    if config.host not in ("127.0.0.1", "::1", "localhost"):
        raise CommandFailed(
            f"--listen {config.listen}: plain HTTP is served on loopback only; TLS for other addresses is not built yet"
        )
    if len(config.account) != 12 or not config.account.isdecimal():
        raise CommandFailed(f"--account takes twelve digits, not {config.account!r}")
    if not is_region(config.region):
        raise CommandFailed(f"--region takes a name such as us-east-1, not {config.region!r}")
    if (config.state or config.peers) and config.database is None:
        raise CommandFailed("several servers need one database that all of them reach: add --database postgresql://…")
    for peer in config.peers:
        _check_peer(peer)
    if config.gc_grace < 0:
        raise CommandFailed(f"--gc-grace takes seconds, not {config.gc_grace}")
    if config.blobs is not None:
        _check_blobs(config.blobs)
    if config.iam_quotas:
        _check_quotas(config.iam_quotas)


def _check_peer(peer: str) -> None:
    try:
        where = urlsplit(peer)
        fits = where.scheme in ("http", "https") and where.hostname and where.port != 0 and where.path in ("", "/")
    except ValueError:  # a port, or an IPv6 address, that is none
        fits = False
    if not fits:
        raise CommandFailed(f"--peer takes http://HOST:PORT, not {peer!r}")


def _check_blobs(url: str) -> None:
    from roadstead.store.blobs.opening import BucketUrl, InvalidBlobUrl

    try:
        BucketUrl.parse(url)
    except InvalidBlobUrl as error:
        raise CommandFailed(f"--blobs: {error}") from error


def _check_quotas(quotas: Mapping[str, int]) -> None:
    from roadstead.services.iam.quotas import ADJUSTABLE

    for name, number in quotas.items():
        if name not in ADJUSTABLE:
            raise CommandFailed(f"--iam-quota knows {', '.join(ADJUSTABLE)}, not {name!r}")
        if not 0 < number <= ADJUSTABLE[name][1]:
            raise CommandFailed(f"--iam-quota {name}={number}: AWS raises it to {ADJUSTABLE[name][1]} at most")


def read_quotas(texts: Iterable[str]) -> dict[str, int]:
    """The quotas of `NAME=NUMBER` texts; raises CommandFailed."""
    found: dict[str, int] = {}
    for text in texts:
        name, _, number = text.partition("=")
        if not number.isdecimal():
            raise CommandFailed(f"--iam-quota takes NAME=NUMBER, not {text!r}")
        found[name] = int(number)
    return found
