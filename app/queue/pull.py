"""Pulling from a durable consumer: messages are handed over as they arrive, never more than there is room for.

Not nats-py's `fetch`: with n above 1 it holds messages back until its timeout, and a cancelled one leaves a pull request
behind that swallows the next message (findings.md). Each request here has a reply subject of its own, so that it is
always known how much of it is still open.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

EXPIRES = 10.0  # seconds a request stays open at the broker
SILENCE = 2.0  # seconds past that until a request counts as lost: consumers can go silent after a reconnect


class Delivery:
    """One message, to be settled exactly once."""

    def __init__(self, message: Msg, pull: Pull) -> None:
        self._message, self._pull = message, pull
        self.subject: str = message.subject
        self.data: bytes = message.data
        self.headers: dict[str, str] = message.headers or {}
        self.delivered: int = message.metadata.num_delivered
        self.seq: int = message.metadata.sequence.stream  # its place on the stream
        self.at: float = message.metadata.timestamp.timestamp()  # when it was put on the stream

    async def ack(self) -> None:
        """Take it off the stream; asks again until the broker confirms, for a failed ack is not a failed job."""
        for wait in (0.5, 1.0, 2.0, 4.0):
            try:
                await self._message.ack_sync(timeout=wait)
                break
            except (TimeoutError, NatsError):
                continue  # if none is confirmed it comes again, and is known by then
        self._pull.free()

    async def ack_soon(self) -> None:
        """Take it off the stream without a confirmation: fit for what is recognised when it comes again."""
        await self._settle(self._message.ack())

    async def nak(self, delay: float) -> None:
        """Give it to somebody else after so many seconds."""
        await self._settle(self._message.nak(delay))

    async def term(self) -> None:
        """Take it off the stream as something nobody can handle."""
        await self._settle(self._message.term())

    async def heartbeat(self) -> None:
        """Say that it is still being worked on."""
        try:
            await self._message.in_progress()
        except NatsError:
            return  # the next one may get through; if none does, the job is given to another worker

    async def _settle(self, sending: object) -> None:
        try:
            await sending  # type: ignore[misc]  # a coroutine of nats-py, which types it as object
        except NatsError:
            pass  # it comes again after ack_wait
        self._pull.free()


class Pull:
    """Keeps requests open for as many messages as there is room for."""

    def __init__(
        self, client: Client, stream: str, consumer: str, room: int, hand_over: Callable[[Delivery], None]
    ) -> None:
        self._client, self._room, self._hand_over = client, room, hand_over
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox = client.new_inbox()
        self._open: dict[str, tuple[int, float]] = {}  # reply subject -> messages still to come, when it was asked
        self._held = 0
        self._numbers = itertools.count()
        self._stopped = False

    async def start(self) -> None:
        """Begin; messages arrive from now on."""
        await self._listen()
        self._watchdog = asyncio.get_running_loop().create_task(self._watch())
        await self._ask()

    def free(self) -> None:
        """There is room for one more."""
        self._held -= 1
        if not self._stopped:
            asyncio.get_running_loop().create_task(self._ask())

    async def again(self) -> None:
        """Ask anew: the broker forgot the open requests, as it does when the connection was lost."""
        self._open.clear()
        await self._ask()

    async def stop(self) -> None:
        """Ask for nothing more; what was handed over can still be settled."""
        self._stopped = True
        self._watchdog.cancel()
        try:
            await self._subscription.unsubscribe()
        except NatsError:
            return  # the connection is gone, and the subscription with it

    async def _listen(self) -> None:
        self._subscription = await self._client.subscribe(f"{self._inbox}.*", cb=self._on_message)

    async def _renew(self) -> None:
        """Listen anew: a request that got no answer at all, not even that it ran out, was asked on deaf ears."""
        old, self._inbox = self._subscription, self._client.new_inbox()
        await self._listen()
        await old.unsubscribe()

    async def _ask(self) -> None:
        asked = sum(left for left, _ in self._open.values())
        missing = self._room - self._held - asked
        # Small requests cost as much as large ones: with much room wait until half of it is free.
        if self._stopped or missing < max(1, self._room // 2 if self._room > 64 else 1):
            return
        reply = f"{self._inbox}.{next(self._numbers)}"
        self._open[reply] = (missing, time.monotonic())
        request = {"batch": missing, "expires": int(EXPIRES * 1e9)}
        try:
            await self._client.publish(self._subject, json.dumps(request).encode(), reply=reply)
        except NatsError:
            self._open.pop(reply, None)  # the watchdog asks again

    async def _on_message(self, message: Msg) -> None:
        status = (message.headers or {}).get("Status")
        if status is None:
            # A JetStream message comes under its own subject; any open request may be the one it answers.
            self._count_off()
            self._held += 1
            self._hand_over(Delivery(message, self))
            return
        self._open.pop(message.subject, None)
        if status in ("404", "408"):  # nothing there, or the request has run out: quite usual
            await self._ask()

    def _count_off(self) -> None:
        for reply, (left, since) in self._open.items():
            if left > 1:
                self._open[reply] = (left - 1, since)
            else:
                del self._open[reply]
            return

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            open_still = {reply: each for reply, each in self._open.items() if now - each[1] < EXPIRES + SILENCE}
            silent, self._open = len(open_still) < len(self._open), open_still
            try:
                if silent and self._client.is_connected:
                    await self._renew()
                await self._ask()
            except NatsError:
                continue  # the connection broke in between: the next round finds it again
