"""What waits of tasks that are paused: taken off the broker and kept, with deadlines that stand still; and let go on again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import structlog

from app.controls.controls import Controls
from app.jobs.held_back import AGAIN_SECONDS, HeldBack
from app.jobs.lifecycle import Lifecycle

log = structlog.get_logger()


class Pauses:
    """Follows what is paused, one change after the other. On the loop."""

    def __init__(self, life: Lifecycle, controls: Controls, held_back: HeldBack) -> None:
        self._life, self._controls, self.held_back = life, controls, held_back
        controls.paused, controls.resumed, controls.stood = self.paused, self.resumed, self._move_deadlines

    def begin(self) -> None:
        """Go on with what the last process left: what is paused stays off the broker, and the rest is taken up."""
        if paused := self._controls.all_paused():
            self.paused(paused)
        self.held_back.take_up()

    def paused(self, tasks: list[str]) -> None:
        """Nothing of these tasks starts any more: their attempts that no worker has yet come off the broker."""
        log.info("paused", tasks=tasks)
        self._life.spawn(self._take_back(tasks))

    def came(self) -> None:
        """A server of the broker is there that was away: what is paused comes off it, too."""
        if paused := self._controls.all_paused():
            self._life.spawn(self._take_back(paused))

    def resumed(self, tasks: list[str], since: float) -> None:
        """These tasks, which were paused since then, go on."""
        log.info("resumed", tasks=tasks)
        self._move_deadlines(tasks, since, time.time())
        for task in tasks:
            self._life.routing.open(task)
        self.held_back.take_up()

    async def _take_back(self, tasks: list[str]) -> None:
        """Twice: other processes, which hear of it up to half a second later, may have published meanwhile."""
        await self.held_back.until_done(lambda: self._take_off(tasks))
        await asyncio.sleep(AGAIN_SECONDS)
        await self.held_back.until_done(lambda: self._take_off(tasks))

    async def _take_off(self, tasks: list[str]) -> bool:
        """What is on the stream by now of these tasks comes off it, and is kept in the ledger alone; no, when it is away."""
        queue = self._life.routing.queued
        tasks = await self._still_paused(tasks)
        if queue is None or not tasks:
            return True
        # At once: whatever becomes of the broker and of the pause, what waited for it is at the gate.
        self.held_back.launch(job for job in queue.drop(tasks) if job.state == "accepted")
        places = await queue.newest_places()
        if not places:
            return False
        tasks = await self._still_paused(tasks)  # what is published once they go on has a place behind these
        await self.held_back.note(places, tasks)
        return await queue.purge(tasks, places)

    async def _still_paused(self, tasks: Iterable[str]) -> list[str]:
        await self._controls.look()
        return [task for task in tasks if self._controls.is_paused(task)]

    def _move_deadlines(self, tasks: list[str], since: float, until: float) -> None:
        for job in list(self._life.jobs.values()):
            if job.task in tasks and job.state in ("accepted", "retrying"):
                begun = max(since, job.at, job.due or 0.0)
                self._life.extend(job, max(0.0, until - begun))
