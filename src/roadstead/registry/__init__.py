"""HTTP edge for OCI distribution: the ECR data plane. `RegistryApp` is the ASGI application."""

from roadstead.registry.app import RegistryApp
from roadstead.registry.call import Backend, open_backend

__all__ = ["Backend", "RegistryApp", "open_backend"]
