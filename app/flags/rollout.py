"""The rule of a flag, and who it holds for: a stable share of rooms."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from app.payload import ready

ALL = "*"


@ready
class Flag(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a flag says: the path, and the share of rooms (0-100) that take it; the others take simple."""

    path: Literal["simple", "queued", "auto"]
    percent: Annotated[int, Meta(ge=0, le=100)] = 100


FlagsByTask = Mapping[str, Flag]  # by task name, or * for all


def in_force(rules: FlagsByTask, task: str, default: str) -> tuple[Flag, str]:
    """The flag that holds for this task and where it comes from: its own, `*`, or the default."""
    if task in rules:
        return rules[task], "task" if task != ALL else ALL
    if ALL in rules:
        return rules[ALL], ALL
    return Flag(default), "default"  # type: ignore[arg-type]  # Settings allows these three words only


def path_for(flag: Flag, task: str, room: str) -> str:
    """The path this room takes: raising the percentage only adds rooms, it moves nobody back."""
    return flag.path if share(task, room) < flag.percent else "simple"


def share(task: str, room: str) -> int:
    """A number from 0 to 99 that is always the same for this room and task."""
    digest = hashlib.blake2b(f"{room}\0{task}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % 100
