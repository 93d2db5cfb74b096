"""The shapes in compare.json: what was measured, and the figures computed from it. docs/compare.md has every field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

SCHEMA = 1  # of compare.json; docs/compare.md describes it
VARIANTS = ("simple", "queued", "auto", "plain")
FINAL = ("succeeded", "failed", "cancelled", "skipped")


class Ack(msgspec.Struct, array_like=True):
    """One message or request as its sender saw it; times in seconds since the run began."""

    asked: float  # when it was due, whether or not the sender was free: a slow server does not slow its own load
    acked: float | None  # when its ack came; None when none did
    code: str  # ok, or the error's code; no_ack when none came
    task: str = ""  # of a job asked for; empty for a message
    sent: float | None = None  # when the driver sent it; how late that is tells of the driver, not of the system


class JobTimes(msgspec.Struct, array_like=True):
    """One job as a second client saw it; times in seconds since the run began, None when that was never seen."""

    task: str
    path: str  # simple or queued
    state: str  # a final state; lost when none was ever seen
    asked: float  # when its message or request was due
    accepted: float | None
    started: float | None  # the `running` update; for runs too short to have one, the end less the run time
    final: float | None
    run: float | None  # milliseconds the task itself took
    attempts: int


class Use(msgspec.Struct, array_like=True):
    """The resources that one part had used at a moment."""

    at: float  # seconds since the run began
    part: str  # web process, worker, broker, model server
    cpu: float  # seconds of processor time since the run began
    mb: float  # resident memory, 10**6 bytes
    sockets: int  # open TCP connections and listeners


class Run(msgspec.Struct, kw_only=True):
    """One run of one variant."""

    variant: str
    repeat: int  # counted from 1
    kind: str = "load"  # load; kill web process, kill worker, kill broker; overload; step
    factor: float = 1.0  # of the workload's rate
    seconds: float  # for which the load arrived
    drained: float | None  # seconds from the last arrival until every job was final; None when that was not seen
    acks: list[Ack]
    jobs: list[JobTimes]
    uses: list[Use]
    lost: int = 0
    doubled: int = 0
    disordered: int = 0
    findings: list[str] = msgspec.field(default_factory=list)  # the first of them as sentences
    recovery: float | None = None  # seconds from a kill until a new job was answered


class Report(msgspec.Struct, kw_only=True):
    """A whole comparison."""

    schema: int = SCHEMA
    made: str  # RFC 3339
    command: str  # that repeats it
    machine: dict[str, Any]  # cores, processor, memory_gb, system, python
    workload: dict[str, Any]  # the workload file as it was read
    models: str  # embedded or synthetic
    topology: str = "one"  # one of each part; or cluster, as `make cluster` starts it
    seed: int
    variants: list[str]
    repeat: int
    full: bool
    cut_short: str | None = None  # why not all of it was measured
    runs: list[Run] = msgspec.field(default_factory=list)
    figures: dict[str, Any] = msgspec.field(default_factory=dict)  # computed from runs alone
    verdicts: list[dict[str, Any]] = msgspec.field(default_factory=list)
    projection: dict[str, Any] = msgspec.field(default_factory=dict)


class Figure(msgspec.Struct, frozen=True):
    """One figure: over all repeats, and for each repeat."""

    value: float | None  # over the samples of all repeats together; None when there are too few
    repeats: list[float | None] = []  # each repeat's own, in order
    low: float | None = None  # the smallest of repeats
    high: float | None = None  # the largest
    least: float | None = None  # of a quantile: the 95 % confidence interval, from here
    most: float | None = None  # to here
    note: str = ""  # "too few": no value; "never": at least this, since some never came

    @property
    def spread(self) -> float | None:
        """Largest less smallest value of the repeats; None when fewer than two have one."""
        known = [each for each in self.repeats if each is not None]
        return max(known) - min(known) if len(known) > 1 else None


class Times(msgspec.Struct, frozen=True):
    """How long something took, in ms."""

    n: int  # samples
    never: int  # those that never came; each counts as long as its whole run
    mean: float | None
    p50: Figure
    p95: Figure
    p99: Figure


class TaskFigures(msgspec.Struct, frozen=True):
    """One task in one variant."""

    states: dict[str, int]  # jobs by final state
    offered: int  # their sum
    undone: Figure  # percent of them that ended without a result: failed, cancelled, skipped, refused
    wait: Times  # accepted until started
    run: Times  # the task itself
    answer: Times  # due until a second client saw how it ended


class PartFigures(msgspec.Struct, frozen=True):
    """The resources that one process used."""

    cpu_per_1000: Figure  # seconds of processor time for each 1,000 jobs that ended
    cpu: float  # seconds in all repeats together, from their first second until all was final
    mb: Figure  # peak of resident memory, 10**6 bytes
    sockets: int  # peak


class Broken(msgspec.Struct, frozen=True):
    """A bound that did not hold."""

    what: str  # ack, or the task
    quantile: str
    value: float  # ms
    bound: float  # ms


class LoadFigures(msgspec.Struct, frozen=True):
    """One run at another load than the workload's own."""

    kind: str  # overload or step
    factor: float
    repeat: int
    messages_per_s: float
    jobs_per_s: float | None
    ack: Times
    answer: Times
    broken: list[Broken]  # empty: every bound held
    states: dict[str, int]
    refused: dict[str, int]  # messages and requests, by the code of the error
    drained: float | None  # s


class KillFigures(msgspec.Struct, frozen=True):
    """One run in which a part was killed."""

    part: str
    repeat: int
    recovery: float | None  # s until a new job was answered; None when that was not seen
    lost: int
    doubled: int
    disordered: int


class VariantFigures(msgspec.Struct, frozen=True):
    """All figures of one variant; from its runs at the workload's own load, unless stated otherwise."""

    runs: int
    messages: dict[str, int]  # by code of their ack; no_ack for none
    refused: Figure  # percent of messages that were not accepted
    states: dict[str, int]  # jobs by final state
    offered: int  # their sum
    unanswered: int  # requests without an ack; those that were accepted nevertheless are among the jobs
    late: Times  # due until sent: the delay of the clients, which is part of the times below
    ack: Times
    wait: Times
    run: Times
    answer: Times
    jobs_per_s: Figure
    messages_per_s: float
    drained: Figure  # s from the last arrival until all was final
    tasks: dict[str, TaskFigures]
    parts: dict[str, PartFigures]
    sockets: int  # peaks of all parts together
    broken: list[Broken]
    lost: int  # this and the next two: in runs of every kind
    doubled: int
    disordered: int
    findings: list[str]
    kills: list[KillFigures]
    loads: list[LoadFigures]
    holds: float | None  # the highest factor up to which every bound held; None: no steps were run

    @property
    def excluded(self) -> bool:
        """Whether it lost, doubled or disordered anything, and so cannot be recommended."""
        return bool(self.lost or self.doubled or self.disordered)


Figures = Mapping[str, VariantFigures]
