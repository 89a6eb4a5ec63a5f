from __future__ import annotations

from pathlib import Path

import pytest

from roadstead.kernel.settings import Deployment
from roadstead.registry.names import PUBLIC_REGISTRIES, RegistryId, RegistryNames

NAMES = RegistryNames(Deployment(data_dir=Path("/nowhere"), account="123456789012", region="eu-west-2"))
DEFAULT = RegistryId("123456789012", "eu-west-2")
THERE = RegistryId("000000000001", "us-gov-west-1")


@pytest.mark.parametrize(
    "host",
    [
        "000000000001.dkr.ecr.us-gov-west-1.localhost:4566",
        "000000000001.dkr.ecr.us-gov-west-1.amazonaws.com",
        "000000000001.dkr.ecr.us-gov-west-1.AMAZONAWS.COM",
        "000000000001.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
        "000000000001.dkr-ecr.us-gov-west-1.on.aws",
        "000000000001.dkr-ecr-fips.us-gov-west-1.on.aws:443",
    ],
)
def test_hosts_that_name_account_and_region(host: str) -> None:
    assert NAMES.resolve(host, None) == THERE
    assert NAMES.resolve("localhost:4566", host) == THERE


@pytest.mark.parametrize(
    "host",
    [
        "localhost:4566",
        "127.0.0.1:4566",
        "[::1]:4566",
        "169.254.170.3:4566",
        "my-machine",
        "",
        "00000000001.dkr.ecr.us-east-1.localhost",
    ],
)
def test_other_hosts_are_the_default_registry(host: str) -> None:
    assert NAMES.resolve(host, None) == DEFAULT
    assert NAMES.resolve(host, "") == DEFAULT


@pytest.mark.parametrize(
    "host",
    [
        "000000000001.dkr.ecr.us-east-1.example.com",
        "000000000001.dkr.ecr.us-east-1.amazonaws.com.example.com",
        "000000000001.dkr.ecr-fast.us-east-1.amazonaws.com",
        "000000000001.dkr.ecr.us-east-1.on.aws",
        "000000000001.dkr-ecr.us-east-1.amazonaws.com",
        "000000000001.dkr.ecr.nowhere.amazonaws.com:4566",
        "000000000001.DKR.ecr.localhost",
    ],
)
def test_a_host_of_an_account_in_no_known_form_is_no_registry(host: str) -> None:
    """Least of all the default one, which is another account's."""
    assert NAMES.resolve(host, None) is None
    assert NAMES.resolve("localhost:4566", host) is None


@pytest.mark.parametrize("namespace", ["docker.io", "quay.io", "000000000001.dkr.ecr.us-east-1.example.com", "x y"])
def test_namespaces_of_others_are_not_ours(namespace: str) -> None:
    assert NAMES.resolve("localhost:4566", namespace) is None


@pytest.mark.parametrize("namespace", ["localhost:4566", "127.0.0.1:4566", "169.254.170.3:4566"])
def test_our_own_namespaces(namespace: str) -> None:
    assert NAMES.resolve("whatever", namespace) == DEFAULT


@pytest.mark.parametrize("wildcard", [True, False])
@pytest.mark.parametrize("account", ["123456789012", "000000000001"])
@pytest.mark.parametrize("region", ["eu-west-2", "us-east-1"])
def test_a_registrys_uri_leads_to_that_registry(wildcard: bool, account: str, region: str) -> None:

    deployment = Deployment(
        data_dir=Path("/nowhere"), account="123456789012", region="eu-west-2", registry_wildcard=wildcard
    )
    assert RegistryNames(deployment).resolve(deployment.registry_host(account, region), None) == RegistryId(
        account, region
    )
    assert RegistryNames(deployment).resolve(deployment.public_registry_host, None) == PUBLIC_REGISTRIES


def test_the_own_registry_has_a_name_that_every_machine_resolves() -> None:
    deployment = Deployment(data_dir=Path("/nowhere"), registry_wildcard=False)
    assert deployment.registry_host("000000000000", "us-east-1") == "localhost:4566"
