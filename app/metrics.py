"""The figures Spillway keeps of itself, each counted here and once: for Prometheus (docs/metrics.md) and for /operator."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from app.jobs.job import Job
from app.live.record import Record

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """All figures of one web process."""

    def __init__(self) -> None:
        self.live = Record()
        self._of = lru_cache(4096)(_labelled)  # looking a label up takes longer than counting
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
        self.live.lagged(seconds)

    def job_accepted(self, job: Job) -> None:
        """Count a job that was just put into the ledger; a skipped one is final at once, and gets no answer."""
        self._of(self.accepted, job.task, job.path).inc()
        self.live.accepted(job.task, job.path)
        if job.final:
            self._of(self.jobs, job.task, job.path, job.state).inc()
            self.live.ended(job.task, job.path, job.state)

    def job_shown(self, job: Job) -> None:
        """Count what is shown of a job: that it is tried again, or how it ended."""
        if job.state == "retrying":
            self._of(self.retries, job.task, job.path).inc()
            self.live.retried(job.task, job.path)
        elif job.final:
            self._ended(job, max(time.time() - job.at, 0.0))

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def _ended(self, job: Job, answer: float) -> None:
        labels = (job.task, job.path)
        self._of(self.jobs, *labels, job.state).inc()
        self._of(self.answer, *labels).observe(answer)
        self.live.ended(*labels, job.state, answer)
        if job.started is not None:
            self._of(self.wait, *labels).observe(max(job.started - job.at, 0.0))
        if job.ms is not None:
            self._of(self.run, *labels).observe(job.ms / 1000)
        if job.dead:
            self._of(self.dead_letters, *labels).inc()


def _labelled(metric: Any, *labels: str) -> Any:
    """The figure of a metric that has these labels."""
    return metric.labels(*labels)
