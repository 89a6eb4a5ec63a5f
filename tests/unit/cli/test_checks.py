from __future__ import annotations

import pytest

from roadstead.cli.checks import check
from roadstead.cli.failure import CommandFailed
from roadstead.cli.settings import Config


@pytest.mark.parametrize("listen", ["127.0.0.1:4566", "localhost:80", "[::1]:4566"])
@pytest.mark.parametrize("region", ["us-east-1", "eu-central-2", "us-gov-west-1"])
def test_what_a_deployment_can_have(listen: str, region: str):
    check(Config(listen=listen, region=region))


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (Config(listen="4566"), "HOST:PORT"),
        (Config(listen="127.0.0.1:0"), "HOST:PORT"),
        (Config(listen="http://127.0.0.1:4566"), "HOST:PORT"),
        (Config(listen="::1:4566"), r"in brackets: \[::1\]:4566"),
        (Config(listen="0.0.0.0:4566"), "loopback only"),
        (Config(account="1"), "twelve digits"),
        (Config(region="mars 1"), "such as us-east-1, not 'mars 1'"),
        (Config(region="global"), "such as us-east-1"),
    ],
)
def test_what_it_cannot(config: Config, told: str):
    with pytest.raises(CommandFailed, match=told):
        check(config)


def _shared(*peers: str) -> Config:
    return Config(database="postgresql://there/it", peers=peers)


def test_peers_are_endpoints():
    check(_shared("http://10.0.0.2:4566", "https://there/", "http://[fd00::1]:4566"))


@pytest.mark.parametrize("peer", ["10.0.0.2:4566", "there:4566", "there", "http://", "http://there:port", "http://[::"])
def test_what_is_no_peer(peer: str):
    with pytest.raises(CommandFailed, match=r"--peer takes http://HOST:PORT"):
        check(_shared("http://10.0.0.2:4566", peer))
