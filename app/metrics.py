"""The figures Spillway keeps of itself, each counted here and once: for Prometheus (docs/metrics.md) and for /operator.

They are counted on the loop, for every job and event, in plain integers; Prometheus' own objects, with their labels and
locks, are made when somebody asks.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from app import streams
from app.jobs.job import Job
from app.live.record import Record

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

Labels = tuple[str, ...]


class _Counter:
    """Counts by labels."""

    def __init__(self, name: str, help: str, labels: Sequence[str]) -> None:
        self.name, self.help, self.labels = name, help, labels
        self.counts: dict[Labels, int] = {}

    def add(self, *labels: str) -> None:
        """One more."""
        self.counts[labels] = self.counts.get(labels, 0) + 1

    def family(self) -> CounterMetricFamily:
        """As Prometheus knows it."""
        family = CounterMetricFamily(self.name, self.help, labels=self.labels)
        for labels, count in list(self.counts.items()):
            family.add_metric(labels, count)
        return family


class _Histogram:
    """Counts seconds in buckets, by labels."""

    def __init__(self, name: str, help: str, labels: Sequence[str]) -> None:
        self.name, self.help, self.labels = name, help, labels
        self.bins: dict[Labels, list[int]] = {}
        self.sums: dict[Labels, float] = {}

    def observe(self, labels: Labels, seconds: float) -> None:
        """One that took so long."""
        bins = self.bins.get(labels)
        if bins is None:
            bins = self.bins[labels] = [0] * (len(SECONDS) + 1)
            self.sums[labels] = 0.0
        bins[bisect_left(SECONDS, seconds)] += 1
        self.sums[labels] += seconds

    def family(self) -> HistogramMetricFamily:
        """As Prometheus knows it: every bucket counts those below it, too."""
        family = HistogramMetricFamily(self.name, self.help, labels=self.labels)
        for labels, bins in list(self.bins.items()):
            total, buckets = 0, []
            for bound, count in zip((*map(str, map(float, SECONDS)), "+Inf"), bins, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric(labels, buckets, self.sums[labels])
        return family


class Metrics(Collector):
    """All figures of one web process."""

    def __init__(self) -> None:
        self.live = Record()
        self.registry = CollectorRegistry()
        by = ("task", "path")
        self._accepted = _Counter("spillway_jobs_accepted", "Jobs put into the ledger", by)
        self._jobs = _Counter("spillway_jobs", "Jobs that became final", (*by, "outcome"))
        self._wait = _Histogram("spillway_job_wait_seconds", "From accepted to started", by)
        self._run = _Histogram("spillway_job_run_seconds", "One run of the task", by)
        self._answer = _Histogram("spillway_job_answer_seconds", "From accepted to shown", by)
        self._retries = _Counter("spillway_job_retries", "Attempts after the first", by)
        self._dropped = _Counter("spillway_outcomes_dropped", "Outcomes that came too late or twice", ("why",))
        self._dead = _Counter("spillway_dead_letters", "Jobs no attempt will complete", by)
        self._callbacks = _Counter("spillway_callbacks", "Tries to call back", ("outcome",))
        self._messages = _Counter("spillway_messages", "Messages stored", ("kind",))
        self._events = _Counter("spillway_events", "Events answered", ("event", "code"))
        self._loop_failures = _Counter("spillway_loop_failures", "Steps of endless loops that failed", ("loop",))
        self._log_lines_dropped = _Counter("spillway_log_lines_dropped", "Log lines that could not be written", ())
        self._hub_lag = _Histogram("spillway_hub_lag_seconds", "How late the hub is", ())
        self._commits = _Histogram("spillway_commit_seconds", "From a group's beginning until it is written", ())
        self._read: list[tuple[str, str, Callable[[], int]]] = []  # counted elsewhere
        self.hub_lag = 0.0  # seconds, the newest reading
        self.registry.register(self)

    def collect(self) -> Iterable[Any]:
        """Every figure as Prometheus knows it."""
        self._log_lines_dropped.counts[()] = streams.dropped()
        for each in vars(self).values():
            if isinstance(each, _Counter | _Histogram):
                yield each.family()
        for name, help, value in self._read:
            family = CounterMetricFamily(name, help)
            family.add_metric((), value())
            yield family

    def counter(self, name: str, help: str, value: Callable[[], int]) -> None:
        """Register something that is counted elsewhere, and read when Prometheus asks."""
        self._read.append((name, help, value))

    def gauge(self, name: str, help: str, value: Callable[[], float]) -> None:
        """Register a figure that is read when Prometheus asks."""
        Gauge(name, help, registry=self.registry).set_function(value)

    def lagged(self, seconds: float) -> None:
        """Note how late the hub was."""
        self.hub_lag = seconds
        self._hub_lag.observe((), seconds)
        self.live.lagged(seconds)

    def committed(self, seconds: float) -> None:
        """Note how long a group of writes took."""
        self._commits.observe((), seconds)

    def job_accepted(self, job: Job) -> None:
        """Count a job that was just put into the ledger; one that is final at once gets no answer."""
        self._accepted.add(job.task, job.path)
        self.live.accepted(job.task, job.path)
        if job.final:
            self._jobs.add(job.task, job.path, job.state)
            self.live.ended(job.task, job.path, job.state)

    def job_retried(self, job: Job) -> None:
        """Count another attempt."""
        self._retries.add(job.task, job.path)
        self.live.retried(job.task, job.path)

    def job_ended(self, job: Job) -> None:
        """Count how a job ended, and how long it took."""
        labels = (job.task, job.path)
        answer = max(time.time() - job.at, 0.0)
        self._jobs.add(*labels, job.state)
        self._answer.observe(labels, answer)
        self.live.ended(*labels, job.state, answer)
        if job.started is not None:
            self._wait.observe(labels, max(job.started - job.at, 0.0))
        if job.ms is not None:
            self._run.observe(labels, job.ms / 1000)
        if job.dead:
            self._dead.add(*labels)

    def outcome_dropped(self, why: str) -> None:
        """Count an outcome that came too late, or twice."""
        self._dropped.add(why)

    def called_back(self, outcome: str) -> None:
        """Count a try to call back: taken, gone (410), failed, or given_up with it."""
        self._callbacks.add(outcome)

    def loop_failed(self, name: str) -> None:
        """Count a failure of something that is done for as long as the process lives."""
        self._loop_failures.add(name)

    def message_stored(self, kind: str) -> None:
        """Count a message."""
        self._messages.add(kind)

    def event_answered(self, event: str, code: str) -> None:
        """Count an acknowledgement by its event and `ok`, or the code of its error."""
        self._events.add(event, code)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)
