"""What the gateway counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class GatewayMetrics:
    """Requests by service, operation and error code; their time in seconds; those under way."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "roadstead_gateway_requests", "Requests answered", ["service", "operation", "code"], registry=registry
        )
        self._seconds = Histogram(
            "roadstead_gateway_request_seconds",
            "Time to answer a request, in seconds",
            ["service", "operation"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.under_way = 0
        waiting = Gauge("roadstead_gateway_requests_under_way", "Requests not answered yet", registry=registry)
        waiting.set_function(lambda: self.under_way)
        self._answered: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}

    def answered(self, service: str, operation: str, code: str, seconds: float) -> None:
        """Count one answer; `code` is `OK` or the error's."""
        names = service, operation, code
        children = self._answered.get(names)
        if children is None:
            children = self._requests.labels(*names), self._seconds.labels(service, operation)
            self._answered[names] = children
        children[0].inc()
        children[1].observe(seconds)
