from collections.abc import Iterator

import pytest
from tests.service.sts.federation import Federation, federation
from tests.support.issuer import Issuer, issuer
from tests.support.server import Account, admin, postgres_backed_server, server, sqlite_admin, sqlite_server

__all__ = ["admin", "postgres_backed_server", "server", "sqlite_admin", "sqlite_server"]


@pytest.fixture(scope="module")
def running() -> Iterator[Issuer]:
    """A provider for all tests that leave it as it is."""
    with issuer() as found:
        yield found


@pytest.fixture
def pods(admin: Account, running: Issuer) -> Federation:
    return federation(admin, running)
