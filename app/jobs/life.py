"""What the steps of a job's life need of the life they belong to. app/jobs/lifecycle.py is the one there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from app.contract import Outcome
from app.controls.rules import Retries
from app.effects import Effects
from app.jobs.begun import Begun
from app.jobs.consequences import Consequences
from app.jobs.job import Job
from app.metrics import Metrics
from app.rooms import Room, Rooms
from app.tasks import Task


class Slots(Protocol):
    """What an operation asks app/paths/routing.py."""

    def choose(self, task: str, room: str) -> str:
        """The path the next attempt takes."""

    def reserve(self, job: Job) -> bool:
        """Take a slot for this attempt on its path, if it may start now and there is one."""

    def release(self, job: Job) -> None:
        """Give it back."""

    def begun(self, job: Job) -> None:
        """A worker says that it runs the attempt."""

    def over(self, job: Job) -> None:
        """The attempt has ended."""


class Controls(Protocol):
    """What an operation asks app/controls."""

    def retries(self, task: str) -> Retries:
        """How failures of this task are tried again."""

    def is_paused(self, task: str) -> bool:
        """Whether no attempt of this task may start."""

    def pause_of(self, task: str) -> float:
        """When the task was paused last; 0 if never."""


class Texts(Protocol):
    """What an operation asks app/jobs/texts.py."""

    def find(self, job: Job) -> Any:
        """What the running attempt has written, where it has written anything."""

    def rest(self, job: Job, outcome: Outcome) -> tuple[int, str]:
        """What people are still to see of an attempt that ended like this, and at which offset."""

    def oldest(self, ended: Job) -> int:
        """When the oldest piece was written that is needed once the attempt of this job has ended."""

    def forget(self, job: Job) -> None:
        """The attempt is over."""


class Life(Protocol):
    """What the steps need of the life they belong to: what is in memory, and what to note after a commit."""

    rooms: Rooms
    tasks: Mapping[str, Task]
    metrics: Metrics
    link: Callable[[str], str]
    size: Callable[[str], dict[str, int | str]]
    durable: bool
    jobs: dict[str, Job]
    consequences: dict[int, Consequences]
    releasing: set[str]
    newest: int
    marked: int
    call_back: Callable[[], None]
    controls: Controls
    begun: Begun

    @property
    def texts(self) -> Texts: ...
    @property
    def routing(self) -> Slots: ...
    def now(self) -> float: ...
    def is_ordered(self, task: str) -> bool: ...
    def is_draft(self, task: str) -> bool: ...
    def leave_line(self, room: Room, job: Job) -> None: ...
    def follower(self, parent: Job, task: Task, args: str) -> Job: ...
    def accepted(self, room: Room, job: Job) -> None: ...
    def show_first(self, effects: Effects, job: Job) -> None: ...
    def show_progress(self, effects: Effects, job: Job) -> None: ...
    def died(self, job: Job) -> None: ...
    def parked(self, job: Job) -> None: ...
    def moved(self, job: Job, before: int) -> None: ...
    def retry_later(self, effects: Effects, room: Room, job: Job) -> None: ...
    def ended(self, room: Room, job: Job) -> None: ...
    def replayed(self, job: Job) -> None: ...
    def is_stale(self, job: Job) -> bool: ...
    def again(self, operation: Any) -> None: ...
