"""What is set of tasks and lanes: kept in the database, read again twice a second, changed by operators."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy import Connection, select

from app.controls.rules import AS_DECLARED, LaneSetting, Retries, Rule, Rules, TaskSetting
from app.payload import Refused, read
from app.store.portable import upsert
from app.store.schema import controls
from app.store.store import Store
from app.tasks import Task

READ_SECONDS = 0.5  # between two looks for what another process changed
_decode_retries = msgspec.json.Decoder(Retries).decode

StoodStill = Callable[[Connection, list[str], float, float], None]
"""Connection, tasks, since when, until when: the deadlines of what waited stood still."""


class Controls:
    """Whether each task may start, and how often it is tried again."""

    def __init__(self, store: Store, tasks: Mapping[str, Task], stood_still: StoodStill) -> None:
        """`stood_still` is called in the transaction that lets paused tasks go on."""
        self._store, self._tasks, self._stood_still = store, tasks, stood_still
        self._lanes = sorted({task.lane for task in tasks.values()})
        self._rules: Rules = {}
        self._turn = asyncio.Lock()  # what is read, or set, is in force before anything else is read
        self.paused: Callable[[list[str]], None] = lambda tasks: None
        self.resumed: Callable[[list[str], float], None] = lambda tasks, since: None  # they were paused since then
        self.stood: Callable[[list[str], float, float], None] = lambda tasks, since, until: None  # and still are

    # What is asked

    def is_paused(self, task: str) -> bool:
        """Whether no attempt of this task may start: it is paused itself, or its lane is."""
        return bool(self._rules) and any(rule.paused for rule in self._of(task))

    def pause_of(self, task: str) -> float:
        """When the task, or its lane, was paused last; 0 if never. It tells what was published before from what was after."""
        return max((rule.since for rule in self._of(task)), default=0.0) if self._rules else 0.0

    def retries(self, task: str) -> Retries:
        """How failures of this task are tried again."""
        rule = self._rules.get(("task", task))
        return rule.retries if rule is not None and rule.retries is not None else AS_DECLARED

    def all_paused(self) -> list[str]:
        """The tasks that are paused."""
        return [task for task in self._tasks if self.is_paused(task)]

    def task(self, name: str) -> dict[str, Any]:
        """What is in force for a task: `{task, lane, paused, lane_paused?, max_inflight?, rate?, retries?}`."""
        task, rule = self._tasks[name], self._rules.get(("task", name), Rule())
        shown: dict[str, Any] = {"task": name, "lane": task.lane, "paused": rule.paused}
        if self._is_lane_paused(task.lane):
            shown["lane_paused"] = True
        limits = {"max_inflight": task.max_inflight, "rate": task.rate}
        shown |= {key: value for key, value in limits.items() if value is not None}
        if rule.retries is not None:
            every = msgspec.structs.asdict(rule.retries)  # what is as declared is left out
            shown["retries"] = {key: value for key, value in every.items() if value is not None}
        return shown

    def lanes(self) -> list[dict[str, Any]]:
        """Every lane: `{lane, paused, tasks}`."""
        return [self._lane(name) for name in self._lanes]

    # What is set

    async def put_task(self, name: str, body: Any) -> dict[str, Any]:
        """Set something of a task; raises Refused (bad_request, not_found)."""
        setting = read(body, TaskSetting)
        setting.check()
        if name not in self._tasks:
            raise Refused("not_found", f"there is no task {name!r}: one of {', '.join(self._tasks)} is right", "task")
        paused = None if setting.paused is UNSET else setting.paused
        await self._set("task", name, paused, setting.retries)
        return self.task(name)

    async def put_lane(self, name: str, body: Any) -> dict[str, Any]:
        """Pause a lane, or let it go on; raises Refused (bad_request, not_found)."""
        setting = read(body, LaneSetting)
        if name not in self._lanes:
            raise Refused("not_found", f"there is no lane {name!r}: one of {', '.join(self._lanes)} is right", "lane")
        await self._set("lane", name, setting.paused, UNSET)
        return self._lane(name)

    async def _set(self, kind: str, name: str, paused: bool | None, retries: Any) -> None:
        now = time.time()

        def write(connection: Connection) -> Rules:
            before = _read(connection)
            rule = _changed(before.get((kind, name), Rule()), paused, retries, now)
            kept = msgspec.json.encode(rule.retries).decode() if rule.retries is not None else None
            row = {"kind": kind, "name": name, "paused": rule.paused, "since": rule.since, "retries": kept}
            upsert(connection, controls, row)
            after = {**before, (kind, name): rule}
            for (since, until), tasks in self._stood(before, after, now).items():
                self._stood_still(connection, tasks, since, until)
            return after

        async with self._turn:
            self._take(await self._store.change(write))

    # As others set it

    async def load(self) -> None:
        """Read the rules for the first time."""
        self._rules = await self._store.read(_read)

    async def look(self) -> None:
        """Read the rules, which another process may have changed."""
        async with self._turn:
            self._take(await self._store.read(_read))

    def _take(self, rules: Rules) -> None:
        before, self._rules = self._rules, rules
        if before == rules:
            return
        # One that was paused and resumed between two looks was paused all the same: others took its jobs off the broker.
        began = [name for name in self._tasks if _since(rules, self._keys(name)) > _since(before, self._keys(name))]
        if began:
            self.paused(began)
        over: dict[float, list[str]] = {}
        for (since, until), tasks in self._stood(before, rules, time.time()).items():
            if still := [name for name in tasks if self.is_paused(name)]:
                self.stood(still, since, until)
            if gone := [name for name in tasks if not self.is_paused(name)]:
                over.setdefault(since, []).extend(gone)
        passed = {name: _since(rules, self._keys(name)) for name in began if not self.is_paused(name)}
        for name, since in passed.items():
            over.setdefault(since, [])
            if name not in over[since]:
                over[since].append(name)
        for since, tasks in over.items():
            self.resumed(tasks, since)

    def _stood(self, before: Rules, after: Rules, now: float) -> dict[tuple[float, float], list[str]]:
        """From when until when tasks stood still by rules that are gone; what still stops them counts when it goes."""
        found: dict[tuple[float, float], list[str]] = {}
        for name in self._tasks:
            began, goes_on = (
                [rule.since for key in self._keys(name) if (rule := rules.get(key, Rule())).paused]
                for rules in (before, after)
            )
            until = min(goes_on, default=now)
            if began and (not goes_on or until > min(began)):
                found.setdefault((min(began), until), []).append(name)
        return found

    def _keys(self, task: str) -> tuple[tuple[str, str], tuple[str, str]]:
        return ("task", task), ("lane", self._tasks[task].lane)

    def _of(self, task: str) -> list[Rule]:
        return [self._rules[key] for key in self._keys(task) if key in self._rules] if task in self._tasks else []

    def _is_lane_paused(self, lane: str) -> bool:
        return self._rules.get(("lane", lane), Rule()).paused

    def _lane(self, name: str) -> dict[str, Any]:
        tasks = [task.name for task in self._tasks.values() if task.lane == name]
        return {"lane": name, "paused": self._is_lane_paused(name), "tasks": tasks}


def _changed(rule: Rule, paused: bool | None, retries: Any, now: float) -> Rule:
    if paused and not rule.paused:
        rule = msgspec.structs.replace(rule, paused=True, since=now)
    elif paused is False:
        rule = msgspec.structs.replace(rule, paused=False)
    return rule if retries is UNSET else msgspec.structs.replace(rule, retries=retries)


def _since(rules: Rules, keys: tuple[tuple[str, str], ...]) -> float:
    return max((rules[key].since for key in keys if key in rules), default=0.0)


def _read(connection: Connection) -> Rules:
    return {
        (row.kind, row.name): Rule(
            bool(row.paused), row.since, _decode_retries(row.retries) if row.retries is not None else None
        )
        for row in connection.execute(select(controls))
    }
