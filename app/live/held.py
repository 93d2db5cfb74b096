"""Who held the hub up: the task, or the line of ours, that most looks at the hub's stack found there."""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Sequence

import msgspec
import structlog

from app.ids import rfc3339
from app.where import Step, innermost

log = structlog.get_logger()

MAX_KEPT = 20
MIN_LOOKS = 2  # that must agree: one alone may meet whoever runs next, once the hub goes on
TASK = re.compile(r"app/tasks/(\w+)\.py:")

Stack = Sequence[Step]


class Hold(msgspec.Struct):
    """One time that the hub was held up: by a task, or by another line of ours when `task` is None."""

    task: str | None
    at: str
    seconds: float
    where: str


class Holds:
    """The newest holds, for the log and for operators."""

    def __init__(self) -> None:
        self._kept: deque[Hold] = deque(maxlen=MAX_KEPT)

    def newest(self) -> list[Hold]:
        """At most MAX_KEPT, the newest first."""
        return list(reversed(self._kept))

    def note(self, seconds: float, stacks: Sequence[Stack]) -> None:
        """Keep and log who held the hub for so long, unless the looks at it do not say so clearly.

        No frame of ours means that nobody held it: it waited for events, and the machine was busy or the process stopped.
        """
        found = _holder(stacks)
        if found is None:
            return
        task, where = found
        self._kept.append(Hold(task, rfc3339(time.time()), round(seconds, 3), where))
        if task is not None:
            log.warning("a task held the hub", task=task, seconds=round(seconds, 3), at=where)
        else:
            log.warning("the hub was held up", seconds=round(seconds, 3), at=where)


def _holder(stacks: Sequence[Stack]) -> tuple[str | None, str] | None:
    """The task whose file most stacks pass through, or the file in which most end; and the most frequent line in it."""
    places = [place for place in (_place(stack) for stack in stacks) if place is not None]
    if not places:
        return None
    (task, file), count = Counter((task, where.partition(":")[0]) for task, where in places).most_common(1)[0]
    if count < MIN_LOOKS or count * 2 <= len(stacks):
        return None
    lines = Counter(where for other, where in places if (other, where.partition(":")[0]) == (task, file))
    return task, lines.most_common(1)[0][0]


def _place(stack: Stack) -> tuple[str | None, str] | None:
    where = innermost(stack)
    if where is None:
        return None
    for code, line in reversed(stack):
        place = innermost([(code, line)])
        if place is not None and (task := TASK.match(place)) and task[1] != "__init__":
            return task[1], place
    return None, where
