"""Keeping parts alive: started in order, watched, restarted when they die, stopped in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import IO, TextIO

from app import child
from app.data_dir import has_said_ready
from app.stopping import stop_signals

DEATHS = 5  # of one part ...
WITHIN = 30.0  # ... within so many seconds end the whole
READY_SECONDS = 120.0
LONGEST_PAUSE = 5.0
LOOK_EVERY = 2.0  # seconds between two looks whether a part is sick
STOP_EXTRA = 12.0  # seconds a part gets beyond its drain before it is killed: the web process ends itself after 10
ORDER = ["web process", "worker", "model server", "broker"]  # in which parts are stopped
MAX_RELAYED = 32_768  # bytes of a part's line


class PartsFailed(Exception):
    """Spillway cannot run; the message says which part and why."""


@dataclass
class Part:
    """One child process: how it is started, how one knows that it answers, how long it may take to stop."""

    name: str
    command: list[str]
    answers: Callable[[], bool]
    drain: float
    environment: dict[str, str] = field(default_factory=dict)
    nice: int = 0  # the web process comes first where all share a machine; worker and model server see to it themselves
    sick: Callable[[], bool] = lambda: False  # whether it runs, and needs to be started again all the same
    ready_file: Path | None = None  # into which it writes its process ID when it is ready
    relayed: bool = False  # what it prints goes through us: a program of its own may end, or hang, when nobody reads it
    process: subprocess.Popen[bytes] | None = None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=DEATHS))
    again_at: float = 0.0

    def start(self) -> None:
        """Start it as a child that dies with us, in a process group of its own: Ctrl-C reaches the supervisor alone."""
        output = subprocess.PIPE if self.relayed else None
        self.process = subprocess.Popen(
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
        """Whether this very process answers, and not another that was here before."""
        said = self.ready_file is None or (
            self.process is not None and has_said_ready(self.ready_file, self.process.pid)
        )
        return said and self.answers()

    def stop(self) -> None:
        """SIGTERM, its drain, and SIGKILL for the whole group if that was not enough."""
        if self.process is None:
            return
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(self.drain + STOP_EXTRA)
            except subprocess.TimeoutExpired:
                print(f"{self.name} did not stop in time and is killed", flush=True)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Supervisor:
    """Keeps the parts alive in the order in which they need each other."""

    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts
        self._asked = Event()
        self._look_at = 0.0

    def run(self, ready: str) -> None:
        """Start everything, print the ready line when all of it answers, and watch until told to stop."""
        for number in stop_signals():
            signal.signal(number, lambda *_: self._asked.set())
        try:
            for part in self._parts:
                print(f"starting {part.name}", flush=True)
                part.start()
            self._wait_until_ready()
            if not self._asked.is_set():
                print(f"ready {ready}", flush=True)
            while not self._asked.wait(0.1):
                self._watch()
                self._heal()
        finally:
            # The web process first: it promises things to people, and needs the others to keep its word.
            for part in sorted(self._parts, key=lambda part: ORDER.index(part.name)):
                part.stop()

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + READY_SECONDS
        for part in self._parts:
            while not self._asked.is_set() and not part.ready():
                self._watch()
                if time.monotonic() > until:
                    raise PartsFailed(f"{part.name} did not answer within {READY_SECONDS:.0f} s")
                time.sleep(0.05)

    def _watch(self) -> None:
        for part in self._parts:
            if part.alive():
                continue
            now = time.monotonic()
            if part.again_at == 0.0:
                self._note_death(part, now)
            elif now >= part.again_at:
                part.again_at = 0.0
                part.start()

    def _heal(self) -> None:
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_EVERY
        for part in self._parts:
            if part.alive() and part.sick():
                print(f"{part.name} cannot write although there is room again: it is started anew", flush=True)
                part.stop()

    def _note_death(self, part: Part, now: float) -> None:
        code = part.process.returncode if part.process else None
        part.deaths.append(now)
        if code == 2:  # a wrong setting or a refused store: starting again would not help
            raise PartsFailed(f"{part.name} cannot start (see its line above)")
        if len(part.deaths) == DEATHS and now - part.deaths[0] < WITHIN:
            raise PartsFailed(f"{part.name} died {DEATHS} times within {WITHIN:.0f} s (last exit {code}): giving up")
        recent = sum(now - death < WITHIN for death in part.deaths)
        pause = min(0.2 * 2 ** (recent - 1), LONGEST_PAUSE)
        word = "died" if code else "was stopped"
        print(f"{part.name} {word} (exit {code}): starting it again in {pause:.1f} s", flush=True)
        part.again_at = now + pause


def _relay(source: IO[bytes], target: TextIO) -> None:
    """Pass on what a part prints, line by line, until it ends; our own streams never block."""
    with source:
        while line := source.readline(MAX_RELAYED):
            target.write(line.decode("utf-8", "replace").rstrip("\n") + "\n")
