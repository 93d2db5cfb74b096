"""What can be set of a task or a lane, as operators send it."""

from __future__ import annotations

import random
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.payload import Refused, ready

FIRST_WAIT = 0.5  # seconds, doubled with each attempt ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015)
LONGEST_WAIT = 60.0
DAY_SECONDS = 86_400

Wait = Annotated[float, Meta(ge=0, le=DAY_SECONDS)]
Status = Annotated[int, Meta(ge=100, le=599)]


@ready
class Retries(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How often an attempt that failed is tried again, and how long that waits.

    `attempts` in all (None: as the task declares); `codes`: the HTTP statuses of a model or provider that are tried
    again (None: those that usually pass); waits begin at `min_wait_s` and double up to `max_wait_s`.
    """

    attempts: Annotated[int, Meta(ge=1, le=1000)] | None = None
    codes: list[Status] | None = None
    min_wait_s: Wait = 0.0
    max_wait_s: Wait = LONGEST_WAIT
    jitter: Literal["full", "equal", "none"] = "full"

    def wait(self, tries: int, retry_after: float | None) -> float:
        """Seconds to wait after so many tries: never below `min_wait_s`, nor below what the other side asked for."""
        first = self.min_wait_s or min(FIRST_WAIT, self.max_wait_s) * 2.0
        longest = min(self.max_wait_s, first * 2.0 ** min(tries - 1, 100))
        least = {"full": 0.0, "equal": longest / 2, "none": longest}[self.jitter]
        return max(random.uniform(least, longest), self.min_wait_s, retry_after or 0.0)  # noqa: S311 - no secret

    def helps(self, status: int | None, retryable: bool) -> bool:
        """Whether another attempt may help after an error with this HTTP status, where it had one."""
        return retryable if self.codes is None or status is None else status in self.codes


AS_DECLARED = Retries()


@ready
class TaskSetting(msgspec.Struct, forbid_unknown_fields=True):
    """What is to change of a task; `retries` null: as the task declares again."""

    paused: bool | UnsetType = UNSET
    retries: Retries | UnsetType | None = UNSET

    def check(self) -> None:
        """Raise Refused(bad_request) for what says nothing, or contradicts itself."""
        if self.paused is UNSET and self.retries is UNSET:
            raise Refused("bad_request", "nothing to set: expected paused, retries, or both", "paused")
        if isinstance(self.retries, Retries) and self.retries.max_wait_s < self.retries.min_wait_s:
            given = f"{self.retries.max_wait_s:g} is below min_wait_s, which is {self.retries.min_wait_s:g}"
            raise Refused("bad_request", f"max_wait_s {given}: expected at least as much", "retries.max_wait_s")


@ready
class LaneSetting(msgspec.Struct, forbid_unknown_fields=True):
    """What is to change of a lane."""

    paused: bool


class Rule(msgspec.Struct, frozen=True):
    """What is set of one task or lane. `since`: when it was paused last, also where it is no longer."""

    paused: bool = False
    since: float = 0.0
    retries: Retries | None = None


Rules = dict[tuple[str, str], Rule]
"""(`task` or `lane`, name) -> what is set of it; those of which nothing was ever set are absent."""
