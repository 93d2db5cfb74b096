"""What a comparison measured, as it stands in compare.json: every figure of the report traces to a row here."""

from __future__ import annotations

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
    sent: float | None = None  # when the driver got round to it; how late that is tells of the driver, not the system


class JobTimes(msgspec.Struct, array_like=True):
    """One job as a second client saw it; times in seconds since the run began, None when that was never seen."""

    task: str
    path: str  # simple or queued
    state: str  # a final state; lost when none was ever seen
    asked: float  # when its message or request was due
    accepted: float | None
    started: float | None  # as shown; where a run was too short to be shown, its end less what it took
    final: float | None
    run: float | None  # milliseconds the task itself took
    attempts: int


class Use(msgspec.Struct, array_like=True):
    """What one part had used up at a moment."""

    at: float  # seconds since the run began
    part: str  # web process, worker, broker, model server
    cpu: float  # seconds of processor time since the run began
    mb: float  # resident memory, 10**6 bytes
    sockets: int  # open TCP connections and listeners


class Run(msgspec.Struct, kw_only=True):
    """One variant under the workload once."""

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
    recovery: float | None = None  # seconds from a part's death until a new job was answered


class Report(msgspec.Struct, kw_only=True):
    """A whole comparison."""

    schema: int = SCHEMA
    made: str  # RFC 3339
    command: str  # that repeats it
    machine: dict[str, Any]  # cores, processor, memory_gb, system, python
    workload: dict[str, Any]  # the workload file as it was read
    models: str  # embedded or synthetic
    seed: int
    variants: list[str]
    repeat: int
    full: bool
    cut_short: str | None = None  # why not all of it was measured
    runs: list[Run] = msgspec.field(default_factory=list)
    figures: dict[str, Any] = msgspec.field(default_factory=dict)  # computed from runs alone
    verdicts: list[dict[str, Any]] = msgspec.field(default_factory=list)
    projection: dict[str, Any] = msgspec.field(default_factory=dict)
