from tests.support.context import cloud
from tests.support.store import store

__all__ = ["cloud", "store"]
