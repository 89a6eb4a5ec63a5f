"""What the gateway counted, as Prometheus reads it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from roadstead.gateway.metrics import GatewayMetrics


def samples(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    """Values by the sample's name and, of buckets, their bound, else the error code."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, sample.labels.get("le") or sample.labels.get("code", "")): sample.value
        for family in families
        for sample in family.samples
    }


def test_answers_are_counted_by_code_and_by_time() -> None:
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)
    metrics.under_way = 2
    for seconds, code in (
        (0.0005, "OK"),
        (0.001, "OK"),
        (0.004, "OK"),
        (0.3, "ClusterNotFoundException"),
        (60.0, "OK"),
    ):
        metrics.answered("ecs", "DescribeClusters", code, seconds)
    found = samples(registry)
    assert found["roadstead_gateway_requests_total", "OK"] == 4
    assert found["roadstead_gateway_requests_total", "ClusterNotFoundException"] == 1
    assert found["roadstead_gateway_requests_under_way", ""] == 2
    bucket = "roadstead_gateway_request_seconds_bucket"
    bounds = {"0.001": 2, "0.0025": 2, "0.005": 3, "0.25": 3, "0.5": 4, "10.0": 4, "+Inf": 5}
    assert {bound: found[bucket, bound] for bound in bounds} == bounds, "a bucket holds what the smaller ones do"
    assert found["roadstead_gateway_request_seconds_count", ""] == 5
    assert round(found["roadstead_gateway_request_seconds_sum", ""], 4) == 60.3055


def test_nothing_is_told_of_what_was_never_asked() -> None:
    registry = CollectorRegistry()
    GatewayMetrics(registry)
    assert samples(registry) == {("roadstead_gateway_requests_under_way", ""): 0}
