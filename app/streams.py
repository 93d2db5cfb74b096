"""Standard output and error that never block, never raise, and never end a process: what cannot be written is counted.

A log's reader may have gone (`make run | head`), may have stopped reading, or its disk may be full. None of that may stop
a process that has work to do. So lines go through a bounded queue to a real thread, which alone waits for the reader.
O_NONBLOCK would be no way out: it is a property of the open file, which other processes and the terminal share.
"""

from __future__ import annotations

import atexit
import io
import sys

# The functions themselves, taken before eventlet puts green ones in their places, and FileIO below instead of os.write:
# nothing here may be green. So this module is imported before anything is patched.
from _queue import SimpleQueue
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from time import sleep
from typing import TextIO

MAX_WAITING = 2000  # texts that wait to be written, mostly a line each
MAX_LINE_CHARACTERS = 32_768
FLUSH_SECONDS = 1.0  # what the end of a process waits for lines not written yet
RETRY_SECONDS = 0.05  # until a file that somebody else made non-blocking is tried again


def in_words(dropped: int) -> str:
    """What is written in place of lines that were dropped."""
    return f"{dropped} log line{'s' if dropped > 1 else ''} could not be written and {'were' if dropped > 1 else 'was'} dropped"


class LineStream(io.TextIOBase):
    """A text stream over a file descriptor whose `write` returns at once, whatever becomes of the text."""

    encoding, errors = "utf-8", "backslashreplace"

    def __init__(self, descriptor: int) -> None:
        self._file = io.FileIO(descriptor, "w", closefd=False)
        self._waiting: SimpleQueue[str | Callable[[], None]] = SimpleQueue()
        # Around nothing but a sum, in which nothing else can happen: not even a warning of the collector, which would
        # write here again. Not an RLock: eventlet puts a green one in the place of each, and that may not wait on the hub.
        self._lock = allocate_lock()
        self.dropped = 0  # lines since the start
        self._begun = ""  # a line that has no end yet: print() writes its text and the newline apart
        self._reported = 0  # how many of those the log itself tells of
        self._half_written = False
        self.in_words: Callable[[int], str] = in_words
        start_new_thread(self._serve, ())

    def write(self, text: str) -> int:
        """Hand text over to be written, or count its lines as dropped when too much waits."""
        if not isinstance(text, str):  # click finds out in this way whether a stream is one for bytes
            raise TypeError(f"text is written here, not {type(text).__name__}")
        if self._waiting.qsize() < MAX_WAITING:
            self._waiting.put(text)
        else:
            self._drop(text.count("\n"))
        return len(text)

    def flush_within(self, seconds: float) -> bool:
        """Wait until everything handed over was written or dropped; False when it takes longer."""
        done = allocate_lock()
        done.acquire()
        self._waiting.put(done.release)
        return done.acquire(timeout=seconds)

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The file descriptor below."""
        return self._file.fileno()

    def isatty(self) -> bool:
        """Whether a person reads it at a terminal."""
        return self._file.isatty()

    def _serve(self) -> None:
        while True:
            given = self._waiting.get()
            if isinstance(given, str):
                *lines, self._begun = (self._begun + given).split("\n")
            else:
                lines, self._begun = [self._begun] if self._begun else [], ""
            self._begun = self._begun[:MAX_LINE_CHARACTERS]
            for line in lines:
                self._write_line(line[:MAX_LINE_CHARACTERS])
            if not isinstance(given, str):
                given()

    def _drop(self, lines: int) -> None:
        with self._lock:
            self.dropped += lines

    def _write_line(self, line: str) -> None:
        before, dropped = "\n" if self._half_written else "", self.dropped
        if dropped > self._reported:
            before += self.in_words(dropped - self._reported) + "\n"
        try:
            self._write_all(f"{before}{line}\n".encode(errors=self.errors))
            self._reported = dropped
        except (OSError, ValueError):  # nobody reads it any more, its disk is full, or it was closed from the start
            self._drop(1)

    def _write_all(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            written = self._file.write(left)
            if written is None:  # it is non-blocking, and full
                sleep(RETRY_SECONDS)
                continue
            left = left[written:]
            self._half_written = bool(left)


_streams: list[LineStream] = []


def never_block() -> None:
    """From now on print, warnings and log lines of this process never block and never raise; call it first of all."""
    if _streams:
        return
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        try:
            replaced = LineStream(stream.fileno()) if stream is not None else None
        except (OSError, ValueError):  # closed before the start
            replaced = None
        if replaced is not None:
            _streams.append(replaced)
            setattr(sys, name, replaced)
    atexit.register(flush)


def flush() -> None:
    """Write what waits, as far as that takes no longer than FLUSH_SECONDS; for the end of a process."""
    for stream in _streams:
        stream.flush_within(FLUSH_SECONDS)


def dropped() -> int:
    """How many lines of this process could not be written since it began."""
    return sum(stream.dropped for stream in _streams)


def report_dropped(in_words: Callable[[int], str]) -> None:
    """Have dropped lines reported in the log in these words, such as a line of JSON."""
    for stream in _streams:
        stream.in_words = in_words
