"""The figures Spillway keeps of itself, as Prometheus reads them. docs/metrics.md lists them."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """All figures of one web process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        by = ["task", "path"]
        self.accepted = Counter("spillway_jobs_accepted", "Jobs put into the ledger", by, registry=registry)
        self.jobs = Counter("spillway_jobs", "Jobs that became final", [*by, "outcome"], registry=registry)
        self.wait = Histogram(
            "spillway_job_wait_seconds", "From accepted to started", by, buckets=SECONDS, registry=registry
        )
        self.run = Histogram("spillway_job_run_seconds", "One run of the task", by, buckets=SECONDS, registry=registry)
        self.answer = Histogram(
            "spillway_job_answer_seconds", "From accepted to shown", by, buckets=SECONDS, registry=registry
        )
        self.retries = Counter("spillway_job_retries", "Attempts after the first", by, registry=registry)
        self.dropped = Counter(
            "spillway_outcomes_dropped", "Outcomes that came too late or twice", ["why"], registry=registry
        )
        self.dead_letters = Counter("spillway_dead_letters", "Jobs no attempt will complete", by, registry=registry)
        self.messages = Counter("spillway_messages", "Messages stored", ["kind"], registry=registry)
        self.events = Counter("spillway_events", "Events answered", ["event", "code"], registry=registry)
        self.hub_lag = Histogram("spillway_hub_lag_seconds", "How late the hub is", buckets=SECONDS, registry=registry)
        self.late = 0.0  # seconds, the newest reading of hub lag

    def gauge(self, name: str, about: str, value: Callable[[], float]) -> None:
        """Register a figure that is read when Prometheus asks."""
        Gauge(name, about, registry=self.registry).set_function(value)

    def lagged(self, seconds: float) -> None:
        """Note how late the hub was."""
        self.late = seconds
        self.hub_lag.observe(seconds)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)
