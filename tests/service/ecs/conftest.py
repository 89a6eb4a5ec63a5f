from tests.support.context import cloud

__all__ = ["cloud"]
