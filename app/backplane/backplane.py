"""Frames to the other web processes: what is sent to one in a loop round is one message, and messages are counted.

Core NATS loses messages: when a connection is cut, and when a process is too slow. So each process numbers what it sends to
each other one, and tells the last numbers with its beat. Who sees a gap has lost something, and is told so by `on_gap`:
it then reads in the database what it missed. A process that does not hear its own beat is deaf, and connects anew.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec
import structlog

log = structlog.get_logger()

BEAT_SECONDS = 0.4
GAP_SECONDS = 0.004  # between two messages to a process under load: fewer, larger ones cost all three sides less
SILENT_SECONDS = 1.3  # of another process, after which it counts as away
DEAF_SECONDS = 3.0  # without our own beat, after which the connection is made anew
MEET_SECONDS = 4.0  # at least between two tries to find who is silent on another server
MAX_MESSAGE_BYTES = 512 * 1024  # of the frames in one message, but for a single one that is larger
FRAME_BYTES = 64  # what a frame takes beside its bytes, about
EVERYBODY = "all"

Handler = Callable[..., None]  # gets the sender and the values of a frame; never waits

_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(tuple[str, int, list[list[Any]]]).decode


class Bus(Protocol):
    """What carries the messages: app/queue/bus.py."""

    on_connect: Callable[[], None]
    on_cut: Callable[[], None]
    has_several: bool  # servers that do not know of each other: it may be on another than the other processes

    @property
    def connected(self) -> bool: ...
    async def connect(self, hear: dict[str, Callable[[bytes], None]]) -> None: ...
    def publish(self, process: str, payload: bytes) -> None: ...
    async def hang_up(self) -> None: ...
    async def close(self) -> None: ...


class Peer:
    """What is known of another process."""

    __slots__ = ("heard", "heard_at", "is_silent", "out", "sent", "size")

    def __init__(self, now: float) -> None:
        self.sent = 0  # messages to it
        self.heard: int | None = None  # the last message of it; None: any will do
        self.heard_at = now  # on the loop's clock
        self.is_silent = False
        self.out: list[list[Any]] = []  # frames of this loop round
        self.size = 0


class Backplane:
    """Sends frames to processes by their names, and hands over what they send, in the order of each."""

    def __init__(self, bus: Bus, me: str, loop: AbstractEventLoop) -> None:
        self._bus, self.me, self._loop = bus, me, loop
        self._peers: dict[str, Peer] = {}
        self._handlers: dict[str, Handler] = {"beat": self._take_beat}
        self._scheduled = False
        self._sent_at = 0.0  # on the loop's clock
        self._own_beat_at: float | None = None  # when we last heard ourselves; None: not connected yet
        self._connected_at = 0.0
        self.gaps = 0  # times that something another process sent was lost
        self.on_gap: Callable[[str], None] = lambda process: None  # something it sent is lost
        self.on_connect: Callable[[], None] = lambda: None  # we hear again, and may have missed anything
        self.on_silent: Callable[[str], None] = lambda process: None
        self.on_return: Callable[[str], None] = lambda process: None  # it is heard again
        bus.on_connect, bus.on_cut = self._connected, self._cut

    def handle(self, kind: str, handler: Handler) -> None:
        """Hand frames of this kind to this function."""
        self._handlers[kind] = handler

    async def connect(self) -> None:
        """Connect, for as long as it takes."""
        await self._bus.connect({self.me: self._take, EVERYBODY: self._take})

    @property
    def others(self) -> list[str]:
        """The processes that were heard lately."""
        now = self._loop.time()
        return [name for name, peer in self._peers.items() if now - peer.heard_at < SILENT_SECONDS]

    def is_deaf(self) -> bool:
        """Whether we do not hear what we say."""
        heard = self._own_beat_at
        return heard is None or self._loop.time() - heard > DEAF_SECONDS or not self._bus.connected

    def send(self, process: str, kind: str, *values: Any) -> None:
        """Send a frame; what the process misses of it, it will notice."""
        self.send_to((process,), kind, *values)

    def send_to(self, processes: Iterable[str], kind: str, *values: Any) -> None:
        """Send the same frame to each of these."""
        frame, size = [kind, *values], FRAME_BYTES
        for value in values:
            if type(value) is bytes:
                size += len(value)
        for process in processes:
            peer = self._peers.get(process) or self._peer(process)
            peer.out.append(frame)
            peer.size += size
            if peer.size > MAX_MESSAGE_BYTES:
                self._send_out(process, peer)
        if not self._scheduled:
            self._scheduled = True
            if self._loop.time() >= self._sent_at + GAP_SECONDS:
                self._loop.call_soon(self._send_all)
            else:
                self._loop.call_at(self._sent_at + GAP_SECONDS, self._send_all)

    def tell(self, kind: str, *values: Any) -> None:
        """Send a frame to every other process that is known."""
        self.send_to(list(self._peers), kind, *values)

    def forget(self, process: str) -> None:
        """It is gone for good."""
        self._peers.pop(process, None)

    def meet(self, process: str) -> None:
        """There is a process of this name."""
        self._peer(process)

    def beat(self) -> None:
        """Say that we are here, and how much we have said; to be called every BEAT_SECONDS."""
        self._send_all()
        sent = {name: peer.sent for name, peer in self._peers.items()}
        self._bus.publish(EVERYBODY, _encode((self.me, 0, [["beat", sent]])))
        now = self._loop.time()
        for name, peer in list(self._peers.items()):
            if now - peer.heard_at > SILENT_SECONDS and not peer.is_silent and self._bus.connected:
                peer.is_silent = True
                self.on_silent(name)

    async def listen_again(self) -> None:
        """Connect anew when we have gone deaf, or may be on another server than a process that is silent."""
        if not self._bus.connected or self._own_beat_at is None:
            return
        if self.is_deaf():
            log.warning("this process does not hear itself on the broker: it connects anew")
        elif self._may_be_apart():
            log.info("another web process is silent: it is looked for on the first server that is there")
        else:
            return
        self._own_beat_at = None
        await self._bus.hang_up()
        await self.connect()

    def _may_be_apart(self) -> bool:
        """All meet on the first server that is there, which may be another by now than when we connected."""
        tried = self._loop.time() - self._connected_at < MEET_SECONDS
        return self._bus.has_several and not tried and any(peer.is_silent for peer in self._peers.values())

    async def close(self) -> None:
        """Send what waits, and hang up."""
        self._send_all()
        await self._bus.close()

    def _peer(self, process: str) -> Peer:
        peer = self._peers.get(process)
        if peer is None:
            peer = self._peers[process] = Peer(self._loop.time())
        return peer

    def _send_all(self) -> None:
        self._scheduled, self._sent_at = False, self._loop.time()
        for process, peer in list(self._peers.items()):
            if peer.out:
                self._send_out(process, peer)

    def _send_out(self, process: str, peer: Peer) -> None:
        peer.sent += 1
        out, peer.out, peer.size = peer.out, [], 0
        self._bus.publish(process, _encode((self.me, peer.sent, out)))

    def _take(self, payload: bytes) -> None:
        try:
            sender, number, frames = _decode(payload)
        except msgspec.MsgspecError as error:
            log.warning("a message of another process cannot be read", error=str(error))
            return
        if number:
            self._count(sender, number)
        for kind, *values in frames:
            handler = self._handlers.get(kind)
            if handler is None:
                continue  # of a newer release, which is being rolled out
            try:
                handler(sender, *values)
            except Exception:  # the frames behind it must be handled all the same
                log.exception("a frame of another process failed", kind=kind, sender=sender)

    def _count(self, sender: str, number: int) -> None:
        peer = self._hear(sender)
        missing = peer.heard is not None and number != peer.heard + 1
        peer.heard = number
        if missing:
            self._lost(sender)

    def _hear(self, sender: str) -> Peer:
        peer = self._peer(sender)
        peer.heard_at = self._loop.time()
        if peer.is_silent:
            peer.is_silent = False
            self.on_return(sender)
        return peer

    def _take_beat(self, sender: str, sent: dict[str, int]) -> None:
        if sender == self.me:
            self._own_beat_at = self._loop.time()
            return
        peer = self._hear(sender)
        told = sent.get(self.me)
        if told is not None and peer.heard != told:
            known, peer.heard = peer.heard, told
            if known is not None:  # else we have just connected, and whoever needs what was sent before has read it
                self._lost(sender)

    def _lost(self, sender: str) -> None:
        self.gaps += 1
        self.on_gap(sender)

    def _connected(self) -> None:
        self._own_beat_at = self._connected_at = self._loop.time()
        for peer in self._peers.values():
            peer.heard = None
        self.on_connect()

    def _cut(self) -> None:
        """What was not sent is lost, and so is what others sent meanwhile."""
