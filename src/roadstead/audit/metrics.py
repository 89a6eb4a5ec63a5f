"""What a trail says of itself at /metrics, read when it is asked for: a counter that counts costs every request something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from roadstead.audit.trail import Trail


class AuditMetrics(Collector):
    """Events, those lost, those left out, failures to write, and bytes that wait."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        trail = self._trail
        yield CounterMetricFamily("roadstead_audit_events", "Audit events recorded", trail.recorded)
        yield CounterMetricFamily("roadstead_audit_events_lost", "Audit events that could not be kept", trail.lost)
        yield CounterMetricFamily(
            "roadstead_audit_events_unsigned_left_out",
            "Requests of nobody that were counted instead of recorded",
            trail.left_out,
        )
        yield CounterMetricFamily(
            "roadstead_audit_write_failures", "Attempts to write audit events that failed", trail.failures
        )
        yield GaugeMetricFamily("roadstead_audit_waiting_bytes", "Bytes of audit events not yet written", trail.waiting)
