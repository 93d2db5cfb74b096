"""Committing to a database elsewhere: each group is one round trip, and the next gathers meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from app.store.errors import StoreConflict, StoreUnavailable
from app.store.group import Group, Written
from app.store.postgres.writing import GroupWriter

log = structlog.get_logger()

MAX_GROUP = 300  # operations in one transaction
GAP_SECONDS = 0.002  # from the begin of a group to that of the next: fewer, larger ones cost less


class Remote:
    """Commits groups to PostgreSQL."""

    # So that a group of theirs can be withdrawn as a whole (app/store/postgres/writing.py).
    apart = True
    limit = MAX_GROUP

    def __init__(self, groups: GroupWriter, loop: asyncio.AbstractEventLoop) -> None:
        self._groups, self._loop = groups, loop
        self._task: asyncio.Task[None] | None = None
        self.next_at = 0.0

    def write(self, group: Group, written: Written) -> None:
        """As a task on the loop."""
        self.next_at = group.started + GAP_SECONDS
        self._task = self._loop.create_task(self._commit(group, written))

    def run(self, work: Callable[[], None], done: Callable[[], None]) -> None:
        """Rare changes have transactions of their own here, beside the groups."""
        raise NotImplementedError

    def failed(self) -> None:
        """The next group finds out whether it is back."""

    def stop(self) -> None:
        """Nothing is under way any more."""

    async def _commit(self, group: Group, written: Written) -> None:
        written(group, await self._write(group))

    async def _write(self, group: Group) -> Exception | None:
        try:
            await self._groups.write(group)
        except StoreConflict as error:
            return await self._with_row(group, error)
        except StoreUnavailable as error:
            return error
        except Exception as error:  # a row that the database cannot take is a mistake of ours: the others must not pay
            log.exception("a group could not be written")
            return await self._with_row(group, StoreConflict(repr(error)))
        return None

    async def _with_row(self, group: Group, error: StoreConflict) -> Exception:
        look = group.by_key()
        try:
            error.row = await self._groups.find(look) if look is not None else None
        except StoreUnavailable as away:
            return away
        return error
