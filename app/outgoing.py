"""HTTP requests to servers of others, on the loop: one connection each, to an address that was looked at first.

Redirects are not followed, no proxy is used, and nothing is kept open. The name is looked up in a real thread, which
holds nobody up; the connection goes to the very address that was checked, and TLS and Host keep the name.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

import httptools

from app.concurrency import Concurrency
from app.store.hand_back import hand_back

PORTS = {"http": 80, "https": 443}
CHUNK = 65_536


class RequestFailed(Exception):
    """There was no whole answer; the message says why, and names the host at most."""


class Answer(NamedTuple):
    """What the other side said: a status, and the beginning of its body."""

    status: int
    body: bytes


class Outgoing:
    """Sends requests."""

    def __init__(self, concurrency: Concurrency, look_up: Callable[..., list[Any]] = socket.getaddrinfo) -> None:
        """`look_up` finds the addresses of a host, as `socket.getaddrinfo` does, in a real thread."""
        self._concurrency, self._look_up = concurrency, look_up
        self._tls: Any = None  # made once: the system's authorities take it tens of milliseconds to read

    async def send(
        self,
        method: str,
        url: str,
        *,
        seconds: float,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        check: Callable[[str], None] = lambda address: None,
        most: int = CHUNK,
    ) -> Answer:
        """The answer, with at most so many bytes of its body.

        `check` is called with each address of the host, and raises RequestFailed for one that must not be called.
        Raises RequestFailed, also where it takes longer than `seconds` in all.
        """
        parts = urlsplit(url)
        try:
            async with asyncio.timeout(seconds):
                addresses = await self._addresses(parts)
                for address in addresses:
                    check(address)
                return await self._exchange(
                    addresses, parts, _head(method, parts, headers or {}, len(body)) + body, most
                )
        except TimeoutError:
            raise RequestFailed(f"{parts.hostname} did not answer within {seconds:g} s") from None
        except OSError as error:  # of TLS as well
            raise RequestFailed(f"{parts.hostname} cannot be reached: {error.strerror or error}") from None
        except httptools.HttpParserError:
            raise RequestFailed(f"{parts.hostname} answered with something that is not HTTP") from None

    async def _addresses(self, parts: SplitResult) -> list[str]:
        """The addresses of its host, in the order in which they are to be tried."""
        loop = self._concurrency.loop
        found: asyncio.Future[list[Any]] = loop.create_future()
        look_up = (self._look_up, parts.hostname, _port(parts), 0, socket.SOCK_STREAM)
        self._concurrency.os_thread(hand_back, loop, found, *look_up)
        try:
            return list(dict.fromkeys(str(each[4][0]) for each in await found))
        except (OSError, UnicodeError):
            raise RequestFailed(f"{parts.hostname} has no address") from None

    async def _exchange(self, addresses: list[str], parts: SplitResult, request: bytes, most: int) -> Answer:
        reader, writer = await self._connect(addresses, parts)
        try:
            writer.write(request)
            answer = _Parser(most)
            while not answer.done and (data := await reader.read(CHUNK)):
                answer.feed(data)
        finally:
            writer.transport.abort()  # without TLS's goodbye, for which the other side could have us wait
        if not answer.begun:
            raise RequestFailed(f"{parts.hostname} closed the connection instead of an answer")
        return Answer(answer.status, bytes(answer.body))

    async def _connect(
        self, addresses: list[str], parts: SplitResult
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if parts.scheme == "https" and self._tls is None:
            self._tls = self._concurrency.tls()
        tls = {"ssl": self._tls, "server_hostname": parts.hostname} if parts.scheme == "https" else {}
        failed: OSError | None = None
        for address in addresses:
            try:
                return await asyncio.open_connection(address, _port(parts), **tls)
            except OSError as error:
                failed = error
        raise failed or OSError("it has no address")


class _Parser:
    """An answer as it comes in."""

    def __init__(self, most: int) -> None:
        self._parser, self._most = httptools.HttpResponseParser(self), most
        self.status, self.body = 0, bytearray()
        self.begun = self.done = False  # whether its status is known; whether there is more to read

    def feed(self, data: bytes) -> None:
        """Take what has come."""
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self.status = self._parser.get_status_code()
        self.begun = self.status >= 200  # what comes before are words of encouragement

    def on_body(self, part: bytes) -> None:
        """Called by the parser."""
        self.body += part[: self._most - len(self.body)]
        self.done = len(self.body) >= self._most

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self.done = self.begun


def _port(parts: SplitResult) -> int:
    return parts.port or PORTS[parts.scheme]


def _head(method: str, parts: SplitResult, headers: Mapping[str, str], length: int) -> bytes:
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    place = parts.netloc.rpartition("@")[2]
    fields = {"Host": place, "User-Agent": "Spillway", "Accept": "*/*", "Connection": "close", **headers}
    if length or method not in ("GET", "HEAD"):
        fields["Content-Length"] = str(length)
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    if any(character < " " or character > "~" for line in lines for character in line):
        raise RequestFailed("a URL or a header has characters that cannot be sent")
    return "\r\n".join([*lines, "", ""]).encode()
