"""Writing groups, one round trip each, and finding out what became of one whose answer never came.

A connection may be lost after the server has committed and before we know. So each group has a ticket, a row in `marks`
that it inserts in its own transaction. When its answer does not come, we insert the same row by another connection: if
that works the group is not stored, and if it is still on its way it cannot be stored any more; else it is. If its askers
were told `busy` meanwhile, it is withdrawn then. A row for each and not a counter: while somebody else reads for long,
PostgreSQL keeps every version of a row, and whoever looks for the newest passes them all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import psycopg
import structlog

from app.ids import first_id, new_id
from app.store.errors import StoreUnavailable
from app.store.group import Group
from app.store.operation import Look, Rows
from app.store.postgres.connecting import STATEMENT_SECONDS, Waiting, is_lost
from app.store.postgres.errors import BUSY, FENCED, OUTRUN, READ_ONLY, meaning, trouble, words
from app.store.postgres.group_function import CALL, IS_REGISTERED, REMOVE_TICKET, TAKE_TICKET, TICKET, WITHDRAW, as_json

log = structlog.get_logger()

TICKETS = "group "  # what their names begin with
TICKET_SECONDS = 86_400.0  # after which one that a killed process left may be removed
FORGET = "DELETE FROM marks WHERE name > %s AND name < %s"
PAUSE_SECONDS = 0.1  # between two tries to reach the server
MIN_PATIENCE_SECONDS = 0.5  # with a group whose time is nearly up
IS_READ_ONLY = "the database is read-only just now"
AVOID_SECONDS = 0.25  # for which a server that was read-only is not asked again


class Doubt(NamedTuple):
    """A group of which we do not know whether it is stored."""

    ticket: str
    rows: Rows


class GroupWriter:
    """The connection that groups are written by. One group at a time; everything here is on the loop."""

    def __init__(self, connect: Callable[[], Awaitable[Waiting]], loop: asyncio.AbstractEventLoop) -> None:
        self._connect, self._loop = connect, loop
        self._connection: Waiting | None = None
        self._last_ticket = ""  # of the group before
        self._doubt: Doubt | None = None
        self._not_before = 0.0
        self._turn = asyncio.Lock()
        self.trouble: str | None = None  # what keeps it from being written at this moment

    async def write(self, group: Group) -> None:
        """Store all of it; raises what app/store/errors.py has, and then nothing is, or nothing will be."""
        async with self._turn:
            await self._write(group)

    async def _write(self, group: Group) -> None:
        until = group.expires or self._loop.time() + STATEMENT_SECONDS
        text = as_json(group.rows)
        while True:
            try:
                if self._doubt is not None:  # of the group before
                    await self._resolve(self._doubt, until, withdraw=True)
                await self._send(text, group.rows, until)
                self._well()
                return
            except psycopg.Error as error:
                doubt = self._doubt
                if doubt is not None and doubt.rows is group.rows:
                    if await self._find_out(doubt, group, until):
                        return
                elif _is_definite(error):
                    raise meaning(error) from None
                await self._pause(until, error)

    async def find(self, look: Look) -> Any:
        """The first row of a look-up by an index, or None; raises StoreUnavailable."""
        statement, args = look
        async with self._turn:
            try:
                connection = await self._ready(self._loop.time() + STATEMENT_SECONDS)
                return await (await connection.execute(statement.replace("?", "%s").encode(), args)).fetchone()
            except psycopg.Error as error:
                await self._failed(error)
                raise StoreUnavailable(str(meaning(error))) from None

    async def look(self) -> None:
        """Note whether it can be written, and settle what is in doubt, unless a group does so just now."""
        if self._turn.locked():
            return
        async with self._turn:
            until = self._loop.time() + STATEMENT_SECONDS
            try:
                if self._doubt is not None:
                    await self._resolve(self._doubt, until, withdraw=True)
                connection = await self._ready(until)
                row = await (await connection.execute("SHOW transaction_read_only")).fetchone()
                if row is not None and row[0] == "on":
                    raise psycopg.errors.ReadOnlySqlTransaction(IS_READ_ONLY)
            except psycopg.Error as error:
                await self._failed(error)
            else:
                self._well()

    async def close(self) -> None:
        """Find out what is in doubt, if that can be, and let the connection go."""
        async with self._turn:
            try:
                if self._doubt is not None:
                    await self._resolve(self._doubt, self._loop.time() + STATEMENT_SECONDS, withdraw=True)
                if self._connection is not None:
                    await self._connection.execute(REMOVE_TICKET, (self._last_ticket,))
            except psycopg.Error as error:
                log.error("the database went away", error=str(meaning(error)))
            await self._drop()

    def _note(self, error: psycopg.Error) -> None:
        if _is_trouble(error):
            if self.trouble is None:
                log.error("the database cannot be written", error=words(error))
            self.trouble = trouble(error)

    def _well(self) -> None:
        if self.trouble is not None:
            log.info("the database can be written again")
        self.trouble = None

    async def _failed(self, error: psycopg.Error) -> None:
        """Note it, and leave a connection that can be used no more; one to a server that became read-only is none."""
        self._note(error)
        if self._connection is not None and error.sqlstate == READ_ONLY:
            self._not_before = self._loop.time() + AVOID_SECONDS
            await self._drop()
        elif self._connection is not None and is_lost(self._connection):
            await self._drop()

    # One group

    async def _send(self, text: str, rows: Rows, until: float) -> None:
        connection, ticket = await self._ready(until), f"{TICKETS}{new_id()}"
        try:
            await connection.execute(CALL, (text, ticket, self._last_ticket), prepare=True)
        except psycopg.Error as error:
            if is_lost(connection):
                self._doubt = Doubt(ticket, rows)
            await (self._drop() if error.sqlstate == OUTRUN else self._failed(error))
            raise
        self._last_ticket = ticket

    async def _find_out(self, doubt: Doubt, group: Group, until: float) -> bool:
        """Whether the group is stored. One that can be withdrawn need not wait for that for ever."""
        while True:
            try:
                return await self._resolve(doubt, until, withdraw=False)
            except psycopg.Error as error:
                if group.can_be_withdrawn:
                    await self._pause(until, error)
                else:
                    await asyncio.sleep(PAUSE_SECONDS)

    async def _pause(self, until: float, error: psycopg.Error) -> None:
        if self._loop.time() + PAUSE_SECONDS > until:
            raise StoreUnavailable(str(meaning(error)))
        await asyncio.sleep(PAUSE_SECONDS)

    # What is in doubt

    async def _resolve(self, doubt: Doubt, until: float, withdraw: bool) -> bool:
        """Whether the group in doubt is stored; `withdraw` makes it so that it is not."""
        connection = await self._ready(until)
        try:
            async with connection.transaction():
                # Where this very transaction is lost on its way back, it is done again, and finds the same. The ticket
                # stays for a day: the group may be on its way still.
                await connection.execute(TAKE_TICKET, (doubt.ticket,))
                found = await (await connection.execute(TICKET, (doubt.ticket,))).fetchone()
                stored = found is not None and found[0] == 1
                if stored and withdraw:
                    await _withdraw(connection, doubt.rows)
        except psycopg.Error as error:
            await self._failed(error)
            raise
        self._doubt = None
        log.warning("the last group before the database went away", stored=stored, withdrawn=stored and withdraw)
        return stored

    # The connection

    async def _ready(self, until: float) -> Waiting:
        if self._connection is None:
            if self._loop.time() < self._not_before:
                raise psycopg.errors.ReadOnlySqlTransaction(IS_READ_ONLY)
            await self._open(until)
        connection = self._connection
        if connection is None:
            raise psycopg.OperationalError("no connection")
        connection.patience = min(max(until - self._loop.time(), MIN_PATIENCE_SECONDS), STATEMENT_SECONDS)
        return connection

    async def _open(self, until: float) -> None:
        left = max(until - self._loop.time(), MIN_PATIENCE_SECONDS)
        try:
            self._connection = await asyncio.wait_for(self._connect(), left)
            await self._connection.execute(FORGET, (TICKETS, f"{TICKETS}{first_id(time.time() - TICKET_SECONDS)}"))
        except TimeoutError:
            error = psycopg.OperationalError("no answer in time")
            self._note(error)
            raise error from None
        except psycopg.Error as error:
            self._note(error)
            await self._drop()
            raise

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _is_definite(error: psycopg.Error) -> bool:
    """Whether the server itself said why it does not store this group, and did not just go."""
    return error.sqlstate is not None and error.sqlstate != OUTRUN and error.sqlstate[:2] not in ("57", "08")


def _is_trouble(error: psycopg.Error) -> bool:
    """Whether nothing can be written, as against: not these rows."""
    return not isinstance(error, psycopg.IntegrityError | psycopg.DataError) and error.sqlstate not in (FENCED, *BUSY)


async def _withdraw(connection: Waiting, rows: Rows) -> None:
    """Remove what a group has stored, unless others have the rooms of this process by now: they may have shown it."""
    for process, since in rows.get("fence", ()):
        found = await connection.execute(IS_REGISTERED, (process, since))
        if await found.fetchone() is None:
            return
    kept = {name: rows.get(name, []) for name in ("message", "job")}
    for statement in WITHDRAW:
        await connection.execute(statement, (as_json(kept),))
