"""What the gateway counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class GatewayMetrics:
    """Requests by service, operation and error code; their time in seconds; those under way."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "roadstead_gateway_requests", "Requests answered", ["service", "operation", "code"], registry=registry
        )
        self.seconds = Histogram(
            "roadstead_gateway_request_seconds",
            "Time to answer a request, in seconds",
            ["service", "operation"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.under_way = Gauge("roadstead_gateway_requests_under_way", "Requests not answered yet", registry=registry)
