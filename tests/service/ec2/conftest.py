from tests.support.context import cloud
from tests.support.store import postgres_server

__all__ = ["cloud", "postgres_server"]
