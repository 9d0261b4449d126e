"""Prometheus' numbers, read by Prometheus' own parser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.watching.conftest import Seen

WANTED = (
    "cumulog_append_seconds",
    "cumulog_append_failures",
    "cumulog_fold_lag_commits",
    "cumulog_fold_lag_seconds",
    "cumulog_tables_lag_commits",
    "cumulog_plan_seconds",
    "cumulog_plan_faults",
    "cumulog_waiting",
    "cumulog_hosts",
    "cumulog_agents_silent",
    "cumulog_orders_waiting",
    "cumulog_http_requests",
    "cumulog_http_request_seconds",
    "cumulog_http_requests_in_flight",
    "cumulog_http_connections",
    "cumulog_refusals",
    "cumulog_nats_connected",
    "cumulog_journal_disk_free_bytes",
    "process_resident_memory_bytes",
)


def samples(seen: Seen, name: str) -> Iterator[tuple[dict[str, str], float]]:
    for family in text_string_to_metric_families(seen.metrics):
        for sample in family.samples:
            if sample.name == name:
                yield sample.labels, sample.value


@pytest.mark.parametrize("name", WANTED)
def test_it_is_measured(seen: Seen, name: str) -> None:
    assert name in {family.name for family in text_string_to_metric_families(seen.metrics)}


def test_each_is_told_once(seen: Seen) -> None:
    names = [line.split()[2] for line in seen.metrics.splitlines() if line.startswith("# TYPE ")]
    assert len(names) == len(set(names))


def test_requests_are_counted_by_the_routes_pattern(seen: Seen) -> None:
    counts = {
        (one["service"], one["route"], one["status"]): n for one, n in samples(seen, "cumulog_http_requests_total")
    }
    assert counts["compute", "/v2.1/servers", "202"] == 1
    assert counts["compute", "/v2.1/servers/{id}", "404"] == 1
    assert not [route for _, route, _ in counts if seen.server in route]


def test_refusals_are_counted_by_their_reason(seen: Seen) -> None:
    counts = {(one["service"], one["reason"]): n for one, n in samples(seen, "cumulog_refusals_total")}
    assert counts["compute", "NotFound"] == 1
    assert counts["identity", "Unauthenticated"] == 1


def test_appends_and_plans_are_timed(seen: Seen) -> None:
    assert next(samples(seen, "cumulog_append_seconds_count"))[1] > 20
    assert {one["plan"] for one, n in samples(seen, "cumulog_plan_seconds_count") if n} >= {"compute.server"}


def test_a_cloud_at_rest_is_not_behind(seen: Seen) -> None:
    assert seen.health["status"] == "ok"
    assert seen.health["figures"]["hosts"] == {"up": 2, "down": 0}
    assert seen.health["figures"]["fold_lag_seconds"] == 0
