"""Sends outcomes to those who asked for them: a few at a time, until each is taken or a day is over.

The database knows what is to be sent, and a row is deleted only after its answer; so a process that is killed sends
again what it had sent, under the same `webhook-id`.
"""

from __future__ import annotations

import asyncio
import random
import time
from asyncio import AbstractEventLoop, Task
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from msgspec import Raw

from app.callbacks import kept
from app.callbacks.address import Allowed, target_of
from app.callbacks.kept import Callback
from app.callbacks.signature import key_of, signature
from app.callbacks.subjects import SCHEME, Subjects
from app.due import Due
from app.next_due import NextDue
from app.outgoing import Outgoing, RequestFailed
from app.payload import Refused
from app.settings import Settings
from app.store.store import Store

log = structlog.get_logger()

TRY_SECONDS = 15.0
GIVE_UP_SECONDS = 24 * 3600.0
FIRST_WAIT, LONGEST_WAIT = 1.0, 3600.0  # seconds between two tries: doubled each time
AT_ONCE = 8
AT_ONCE_TO_A_HOST = 2
STORE_SECONDS = 5.0  # until it is looked again after the database could not note an answer
GONE = 410
MAX_ANSWER_BYTES = 1024  # read of an answer, of which only the status matters

Publish = Callable[[str, dict[str, str], bytes], Coroutine[Any, Any, str | None]]  # None, or why it is not taken


class NotTaken(Exception):
    """A try failed; the message says why, without the address beyond its host."""

    def __init__(self, why: str, for_good: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good


class Callbacks:
    """Everything about callbacks that the rest of the process asks for. On the loop."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        loop: AbstractEventLoop,
        due: Due,
        outgoing: Outgoing,
        publish: Publish,
        count: Callable[[str], None],
    ) -> None:
        """`publish` puts a message on a NATS subject, `count` counts how a try ended."""
        self._allowed = Allowed(settings.callback_hosts)
        self._subjects = Subjects(settings.nats_callbacks, settings.nats_prefix)
        self._key = key_of(settings.callback_secret)
        self._store, self._loop, self._outgoing = store, loop, outgoing
        self._publish, self._count = publish, count
        self._next = NextDue(due, loop, "callbacks", self._look)
        self._under_way: dict[str, str] = {}  # hosts by ID
        self._tries: set[Task[None]] = set()
        self.owner: str | None = None  # this process, where others may own rooms, too
        self.replayed: Callable[[], None] = lambda: None  # one may be due that another process has to send

    def check(self, url: str) -> None:
        """Raise Refused(bad_request) with `field` callback, unless this address may be called back."""
        if url.startswith(SCHEME):
            self._subjects.check(url.removeprefix(SCHEME))
        else:
            self._allowed.check(url)

    def expect(self) -> None:
        """There is something to send, or may be."""
        self._next.expect(time.time())

    def stop(self) -> None:
        """Send nothing more: what is under way is sent again by the next process."""
        self._next.stop()
        for each in self._tries:
            each.cancel()

    async def replay(self, id: str) -> Raw | None:
        """Send a dead letter once more; returns the job that it says, or None when there is none of this kind."""
        body = await self._store.change(lambda connection: kept.try_again(connection, id))
        if body is not None:
            self.expect()
            self.replayed()
        return Raw(body.encode()) if body is not None else None

    async def _look(self) -> float | None:
        """Begin as many tries as there is room for; returns when the next is due."""
        while True:
            busy = [host for host, tries in Counter(self._under_way.values()).items() if tries >= AT_ONCE_TO_A_HOST]
            ids, now = list(self._under_way), time.time()
            if len(ids) >= AT_ONCE:
                return None  # it is looked again when one of them ends
            found = await self._store.read(lambda c: kept.next_to_try(c, now, busy, ids, self.owner))  # noqa: B023 - awaited here
            if found is None:
                return await self._store.read(lambda c: kept.next_due(c, busy, ids, self.owner))  # noqa: B023 - likewise
            self._begin(found)

    def _begin(self, callback: Callback) -> None:
        self._under_way[callback.id] = callback.host
        task = self._loop.create_task(self._try(callback))
        self._tries.add(task)
        task.add_done_callback(self._tries.discard)

    async def _try(self, callback: Callback) -> None:
        try:
            await self._note(callback, await self._send(callback))
        except Exception as error:  # the database, or a mistake of ours: the others are sent all the same
            log.error("an answer to a callback could not be noted", callback=callback.id, error=repr(error))
            await asyncio.sleep(STORE_SECONDS)
        del self._under_way[callback.id]
        self.expect()

    async def _send(self, callback: Callback) -> NotTaken | None:
        """Why it is not taken, or None."""
        try:
            if callback.url.startswith(SCHEME):
                await self._send_to_subject(callback)
            else:
                await self._send_to_host(callback)
        except NotTaken as why:
            return why
        return None

    async def _send_to_subject(self, callback: Callback) -> None:
        body = callback.body.encode()
        headers = {**self._headers(callback, body), "Nats-Msg-Id": callback.id}
        why = await self._publish(callback.url.removeprefix(SCHEME), headers, body)
        if why is not None:
            raise NotTaken(why)

    async def _send_to_host(self, callback: Callback) -> None:
        body = callback.body.encode()
        try:
            target = target_of(callback.url)
        except Refused as refused:  # it was accepted by an earlier release
            raise NotTaken(refused.message) from None

        def check(address: str) -> None:
            if not self._allowed.may_connect(target, address):
                raise RequestFailed(f"{target.host} is at {address}, which may not be called")

        try:
            answer = await self._outgoing.send(
                "POST",
                callback.url,
                seconds=TRY_SECONDS,
                headers=self._headers(callback, body),
                body=body,
                check=check,
                most=MAX_ANSWER_BYTES,
            )
        except RequestFailed as failed:
            raise NotTaken(str(failed)) from None
        if not 200 <= answer.status < 300:
            raise NotTaken(f"it answered {answer.status}", for_good=answer.status == GONE)

    def _headers(self, callback: Callback, body: bytes) -> dict[str, str]:
        now = int(time.time())
        signed = {"webhook-signature": signature(self._key, callback.id, now, body)} if self._key else {}
        return {
            "Content-Type": "application/json",
            "Spillway-Job": callback.job,
            "Spillway-Attempt": str(callback.attempt),
            "Spillway-Duration-Seconds": f"{callback.seconds:.3f}",
            "Spillway-Status": callback.state,
            "webhook-id": callback.id,
            "webhook-timestamp": str(now),
            **signed,
        }

    async def _note(self, callback: Callback, why: NotTaken | None) -> None:
        about = {"job": callback.job, "host": callback.host, "tries": callback.tries + 1}
        if why is None or why.for_good:
            await self._store.change(lambda connection: kept.forget(connection, callback.id))
            self._count("taken" if why is None else "gone")
            log.info("called back", **about, **({} if why is None else {"answer": str(why)}))
            return
        wait = random.uniform(0.5, 1.0) * wait_after(callback.tries + 1)  # noqa: S311 - no secret
        due: float | None = time.time() + wait
        if (due or 0.0) > callback.since + GIVE_UP_SECONDS:
            due = None
        await self._store.change(lambda connection: kept.note_failure(connection, callback, str(why), due))
        self._count("failed" if due is not None else "given_up")
        log.warning("a callback was not taken", **about, error=str(why), again=due is not None)


def wait_after(tries: int) -> float:
    """Seconds to wait at most after so many tries."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(tries - 1, 20))
