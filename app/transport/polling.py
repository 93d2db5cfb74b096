"""Long polling: packets wait here until the client asks for them, at most once at a time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import structlog

from app.concurrency import Mailbox
from app.transport.packets import Packet, PollingError

log = structlog.get_logger()

PACKETS_PER_ANSWER = 16  # python-engineio's client refuses more at once


class Polling:
    """What waits for one polling client; every method is called on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._packets: list[Packet] = []
        self._bytes = 0
        self._asking: tuple[Mailbox, socket.socket | None] | None = None

    def add(self, packet: Packet) -> None:
        """Have it sent, with whatever else comes in this loop round."""
        if not self._packets and self._asking:
            self._loop.call_soon(self._answer)
        self._packets.append(packet)
        self._bytes += len(packet.encode())

    @property
    def is_behind(self) -> bool:
        """Whether more waits than one answer takes."""
        return len(self._packets) > PACKETS_PER_ANSWER

    def exceeds(self, packets: int, size: int) -> bool:
        """Whether more wait than so many packets or bytes; logs it if so."""
        if len(self._packets) <= packets and self._bytes <= size:
            return False
        log.info("a client does not read and is cut off", packets=len(self._packets), unsent=self._bytes)
        return True

    def ask(self, box: Mailbox, sock: socket.socket | None, on_hung_up: Callable[[], None]) -> None:
        """Put packets into `box` as soon as there are some; raises PollingError when somebody asks already."""
        if self._asking:
            raise PollingError("two requests ask for packets at once")
        if self._packets:
            box.put(self._take())
            return
        self._asking = box, sock
        if sock is not None:
            self._loop.add_reader(sock, self._look, sock, on_hung_up)

    def release(self, *packets: Packet) -> None:
        """Answer the request that waits with these packets and nothing else."""
        if self._asking:
            (box, sock), self._asking = self._asking, None
            self._watch_no_more(sock)
            box.put(list(packets))

    def end(self, *packets: Packet) -> None:
        """Answer the request that waits for the last time."""
        self.release(*self._take(), *packets)
        self._packets.clear()

    def rest(self) -> list[Packet]:
        """Everything that still waits, for another transport to send."""
        packets, self._packets, self._bytes = self._packets, [], 0
        return packets

    def _answer(self) -> None:
        if self._asking and self._packets:
            self.release(*self._take())

    def _take(self) -> list[Packet]:
        packets = self._packets[:PACKETS_PER_ANSWER]
        del self._packets[:PACKETS_PER_ANSWER]
        self._bytes -= sum(len(packet.encode()) for packet in packets)
        return packets

    def _look(self, sock: socket.socket, on_hung_up: Callable[[], None]) -> None:
        """Something came while the client waits for our answer: the end of its connection, or its next request."""
        self._watch_no_more(sock)
        try:
            gone = not sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            gone = False
        except OSError:
            gone = True
        if gone:
            on_hung_up()

    def _watch_no_more(self, sock: socket.socket | None) -> None:
        if sock is not None and sock.fileno() >= 0:
            self._loop.remove_reader(sock)
