"""The shapes of figures as they stand in compare.json; docs/compare.md has every field."""

from __future__ import annotations

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """One figure over all repeats, with what each repeat says by itself."""

    value: float | None  # over the samples of all repeats together; None when there are too few
    repeats: list[float | None] = []  # each repeat's own, in order
    low: float | None = None  # the smallest of repeats
    high: float | None = None  # the largest
    least: float | None = None  # of a quantile: between these two it lies, 19 times of 20, by the number of its samples
    most: float | None = None
    note: str = ""  # "too few": no value; "never": at least this, for what never came

    @property
    def spread(self) -> float | None:
        """How far repeats are apart; None when fewer than two have a value."""
        known = [each for each in self.repeats if each is not None]
        return max(known) - min(known) if len(known) > 1 else None


class Times(msgspec.Struct, frozen=True):
    """How long something took, in ms."""

    n: int  # samples
    never: int  # of them, those that never came; each counts as long as its whole run
    mean: float | None
    p50: Figure
    p95: Figure
    p99: Figure


class TaskFigures(msgspec.Struct, frozen=True):
    """One task in one variant."""

    states: dict[str, int]  # jobs by final state
    offered: int  # their sum
    undone: Figure  # percent of them that ended without a result: all but succeeded and lost
    wait: Times  # accepted until started
    run: Times  # the task itself
    answer: Times  # due until a second client saw how it ended


class PartFigures(msgspec.Struct, frozen=True):
    """What one process used up."""

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
    refused: dict[str, int]  # messages and requests that were told no, by code
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
    """All that is known about one variant; where nothing else is said, of its runs at the workload's own load."""

    runs: int
    messages: dict[str, int]  # by code of their ack; no_ack for none
    refused: Figure  # percent of messages that were not accepted
    states: dict[str, int]  # jobs by final state
    offered: int  # their sum
    unanswered: int  # requests without an ack; one that was accepted all the same is among the jobs
    late: Times  # due until its sender got round to it: the fault of the clients, and part of what follows
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
    lost: int  # these three in runs of every kind
    doubled: int
    disordered: int
    findings: list[str]
    kills: list[KillFigures]
    loads: list[LoadFigures]
    holds: float | None  # highest factor at which every bound held, every lower one held too; None: not stepped
