"""What the gateway counts, as numbers of its own that are made metrics when somebody asks: a counter that counts costs every request something."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the histogram's buckets, in seconds; one more has what took longer."""
_NAMES = (*(str(bound) for bound in _BOUNDS), "+Inf")


class _Times:
    """How long requests of one operation took."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * len(_NAMES)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(_BOUNDS, seconds)] += 1
        self.seconds += seconds


class GatewayMetrics(Collector):
    """Requests by service, operation and error code; their time in seconds; those under way. For the event loop's thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.under_way = 0
        self._requests = Counter[tuple[str, str, str]]()
        self._times: dict[tuple[str, str], _Times] = {}
        registry.register(self)

    def answered(self, service: str, operation: str, code: str, seconds: float) -> None:
        """Count one answer; `code` is `OK` or the error's."""
        self._requests[service, operation, code] += 1
        times = self._times.get((service, operation))
        if times is None:
            times = self._times[service, operation] = _Times()
        times.add(seconds)

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        requests = CounterMetricFamily(
            "roadstead_gateway_requests", "Requests answered", labels=["service", "operation", "code"]
        )
        for names, count in self._requests.items():
            requests.add_metric(names, count)
        yield requests
        durations = HistogramMetricFamily(
            "roadstead_gateway_request_seconds", "Time to answer a request, in seconds", labels=["service", "operation"]
        )
        for names, times in self._times.items():
            buckets = zip(_NAMES, accumulate(times.counts), strict=True)
            durations.add_metric(names, [(name, count) for name, count in buckets], times.seconds)
        yield durations
        yield GaugeMetricFamily("roadstead_gateway_requests_under_way", "Requests not answered yet", self.under_way)
