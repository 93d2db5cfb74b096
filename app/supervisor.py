"""The supervisor of `make run`: starts the parts in order, watches them, restarts those that die, stops them in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import IO, TextIO

from app import child
from app.data_dir import has_said_ready
from app.stopping import stop_signals

MAX_DEATHS = 5  # of one part within DEATHS_WINDOW_SECONDS: then the supervisor gives up
DEATHS_WINDOW_SECONDS = 30.0
READY_TIMEOUT_SECONDS = 120.0
MAX_RESTART_PAUSE_SECONDS = 5.0
HEALTH_CHECK_SECONDS = 2.0  # between two health checks of all parts
STOP_EXTRA_SECONDS = 12.0  # beyond a part's drain until it is killed: the web process exits by itself after 10
STOP_ORDER = [
    "nginx",
    "web process",
    "worker",
    "model server",
    "language model",
    "broker",
    "database",
]  # how the names of the parts begin
MAX_RELAYED_BYTES = 32_768  # of one line that a part prints


class PartsFailed(Exception):
    """A part cannot be started or kept alive; the message says which one and why."""


@dataclass
class Part:
    """One child process: its command, how to tell that it is ready or unhealthy, and how long it may take to stop."""

    name: str
    command: list[str]
    answers: Callable[[], bool]
    drain: float  # seconds
    environment: dict[str, str] = field(default_factory=dict)
    nice: int = 0  # niceness; worker and model server lower their own priority
    unhealthy: Callable[[], bool] = lambda: False  # whether it is alive and must be restarted all the same
    ready_file: Path | None = None  # the part writes its process ID into it when it is ready
    relayed: bool = False  # the supervisor passes on its output: a foreign program may block when nobody reads that
    process: subprocess.Popen[bytes] | None = None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_DEATHS))
    restart_at: float = 0.0  # on the monotonic clock; 0: no restart is due

    def start(self) -> None:
        """Start it as a child that dies with the supervisor, in its own process group: Ctrl-C reaches only the supervisor."""
        output = subprocess.PIPE if self.relayed else None
        self.process = subprocess.Popen(  # nosec B603 # our own parts, by a list of words
            [sys.executable, "-I", "-S", child.__file__, str(os.getpid()), *self.command],
            env={**os.environ, **self.environment},
            process_group=0,
            stdout=output,
            stderr=output,
        )
        if self.nice:
            os.setpriority(os.PRIO_PROCESS, self.process.pid, self.nice)
        if self.process.stdout is not None and self.process.stderr is not None:
            Thread(target=_relay, args=(self.process.stdout, sys.stdout), daemon=True).start()
            Thread(target=_relay, args=(self.process.stderr, sys.stderr), daemon=True).start()

    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def ready(self) -> bool:
        """Whether the process started here is ready; an earlier process that still answers does not count."""
        has_said_so = self.ready_file is None or (
            self.process is not None and has_said_ready(self.ready_file, self.process.pid)
        )
        return has_said_so and self.answers()

    def ask_to_stop(self) -> None:
        """Send SIGTERM; `stop` waits."""
        if self.process is not None and self.alive():
            self.process.terminate()

    def stop(self) -> None:
        """Send SIGTERM, wait for its drain, then send SIGKILL to whatever is left of its process group."""
        if self.process is None:
            return
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(self.drain + STOP_EXTRA_SECONDS)
            except subprocess.TimeoutExpired:
                print(f"{self.name} did not stop in time: killing it", flush=True)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Supervisor:
    """Keeps the parts alive; they are given in the order in which they depend on each other."""

    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts
        self._stopping = Event()
        self._next_health_check = 0.0

    def run(self, ready: Iterable[str]) -> None:
        """Start every part, print these as ready when all are, and watch the parts until a signal asks to stop."""
        for number in stop_signals():
            signal.signal(number, lambda *_: self._stopping.set())
        try:
            for part in self._parts:
                print(f"starting {part.name}", flush=True)
                part.start()
            self._wait_until_ready()
            if not self._stopping.is_set():
                for address in ready:
                    print(f"ready {address}", flush=True)
            while not self._stopping.wait(0.1):
                self._restart_dead()
                self._restart_unhealthy()
        finally:
            self._stop_all()

    def _stop_all(self) -> None:
        """Web processes first, side by side: while they drain they still need the others."""
        for kind in STOP_ORDER:
            together = [part for part in self._parts if part.name.startswith(kind)]
            for part in together[1:]:
                part.ask_to_stop()
            for part in together:
                part.stop()

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + READY_TIMEOUT_SECONDS
        for part in self._parts:
            while not self._stopping.is_set() and not part.ready():
                self._restart_dead()
                if time.monotonic() > until:
                    raise PartsFailed(f"{part.name} was not ready within {READY_TIMEOUT_SECONDS:.0f} s")
                time.sleep(0.05)

    def _restart_dead(self) -> None:
        for part in self._parts:
            if part.alive():
                continue
            now = time.monotonic()
            if part.restart_at == 0.0:
                self._note_death(part, now)
            elif now >= part.restart_at:
                part.restart_at = 0.0
                part.start()

    def _restart_unhealthy(self) -> None:
        if time.monotonic() < self._next_health_check:
            return
        self._next_health_check = time.monotonic() + HEALTH_CHECK_SECONDS
        for part in self._parts:
            if part.alive() and part.unhealthy():
                print(f"{part.name} refuses to write although the disk has free space again: restarting it", flush=True)
                part.stop()

    def _note_death(self, part: Part, now: float) -> None:
        code = part.process.returncode if part.process else None
        part.deaths.append(now)
        if code == 2:  # an invalid setting or database: a restart would not help
            raise PartsFailed(f"{part.name} cannot start (its message is above)")
        if len(part.deaths) == MAX_DEATHS and now - part.deaths[0] < DEATHS_WINDOW_SECONDS:
            often = f"{MAX_DEATHS} times within {DEATHS_WINDOW_SECONDS:.0f} s"
            raise PartsFailed(f"{part.name} died {often} (last exit code {code}): giving up")
        recent = sum(now - death < DEATHS_WINDOW_SECONDS for death in part.deaths)
        pause = min(0.2 * 2 ** (recent - 1), MAX_RESTART_PAUSE_SECONDS)
        word = "died" if code else "was stopped"
        print(f"{part.name} {word} (exit code {code}): restarting it in {pause:.1f} s", flush=True)
        part.restart_at = now + pause


def _relay(source: IO[bytes], target: TextIO) -> None:
    """Pass on what a part prints, line by line, until it ends; writing to our own streams never blocks (app/streams.py)."""
    with source:
        while line := source.readline(MAX_RELAYED_BYTES):
            target.write(line.decode("utf-8", "replace").rstrip("\n") + "\n")
