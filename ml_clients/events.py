"""Server-sent events out of the bytes of a stream: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

from collections.abc import Iterator

MAX_LINE_BYTES = 1 << 20


class LineTooLong(Exception):
    """A line of the stream has more than MAX_LINE_BYTES bytes."""


class Events:
    """Takes what came, cut anywhere, and gives the data of each event that is whole."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._cr = False  # the last line ended with CR: an LF that follows belongs to it

    def feed(self, some: bytes) -> Iterator[bytes]:
        """The data of each event that ends in here; comments and other fields are passed over. Raises LineTooLong."""
        if self._cr and some.startswith(b"\n"):
            some = some[1:]
        self._cr = some.endswith(b"\r")
        text = self._rest + some
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = text.split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise LineTooLong(f"a line of the stream has more than {MAX_LINE_BYTES} bytes")
        for line in lines:
            if not line:
                if self._data:
                    data, self._data = b"\n".join(self._data), []
                    yield data
            elif line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))

    def rest(self) -> Iterator[bytes]:
        """The data of an event that the stream ended in the middle of: some servers leave the last empty line out."""
        yield from self.feed(b"\n\n")
