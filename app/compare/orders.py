"""What a comparison tells its drivers, and what they answer: one JSON line each over their standard input and output."""

from __future__ import annotations

import msgspec

from app.compare.samples import Ack, JobTimes
from app.compare.workload import Arrival


class Orders(msgspec.Struct, kw_only=True):
    """What one driver does in one run."""

    url: str
    due: list[Arrival]
    writers: dict[int, list[str]]  # room -> who writes there
    history: list[str]  # texts written into each room before the load begins
    on_message: list[str]  # tasks each user message starts
    after: dict[str, list[str]]  # task -> tasks that follow its success
    takes: dict[str, list[str]]  # task -> the arguments it is asked for with
    kept: bool  # whether the system keeps jobs in a ledger
    patience: float  # seconds without any news after which unfinished jobs count as lost


class Begin(msgspec.Struct, tag=True):
    """Everybody is connected; the parent answers with the moment the load begins, on the monotonic clock."""

    rooms: int


class News(msgspec.Struct, tag=True):
    """How far it is."""

    sent: int
    final: int


class Settled(msgspec.Struct, tag=True):
    """All is final, or nothing has moved for too long; from here on the driver only looks at what was kept."""


class Done(msgspec.Struct, tag=True):
    """Everything a driver measured; times in seconds since the run began."""

    acks: list[Ack]
    jobs: list[JobTimes]
    drained: float | None
    lost: list[str]
    doubled: list[str]
    disordered: list[str]


Answer = Begin | News | Settled | Done
