"""The service models that drive the codecs: botocore's, extended by our overlays, and services of our own."""

from roadstead.gateway.models.catalog import SERVICES, Catalog, ServiceEntry, every_service, our_services
from roadstead.gateway.models.loader import UnknownModel, service_model

__all__ = ["SERVICES", "Catalog", "ServiceEntry", "UnknownModel", "every_service", "our_services", "service_model"]
