"""Finding the parts of a running system, and doing them harm."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from app.compare.system import System
from app.ports import free_port

NAMES = {"web": "web process", "worker": "worker", "broker": "broker", "model": "model server"}


def pid_of(system: System, part: str) -> int | None:
    """The process of a part, or None while it is away."""
    process = system.parts().get(NAMES[part])
    return process.pid if process else None


def hit(system: System, part: str, number: int) -> None:
    """Send a signal to a part that runs; waits for it to run first."""
    while (pid := pid_of(system, part)) is None:
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


@contextlib.contextmanager
def stopped(system: System, part: str) -> Iterator[None]:
    """The part hangs, as if its machine were away."""
    pid = pid_of(system, part)
    assert pid is not None, f"{part} does not run"
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def locked(system: System) -> Iterator[None]:
    """Another process holds the write lock of the database."""
    connection = sqlite3.connect(system.data / "spillway.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own, of that size; needs root."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write until there is no room; returns the file to remove."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 512)
    return path


class Proxy:
    """A TCP proxy whose connections can be cut, and which can swallow everything for a while."""

    def __init__(self, target: int) -> None:
        self.target, self.port = target, free_port()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._asking, self._answering = threading.Event(), threading.Event()
        self.release()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cut every connection at once."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for each in pair:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    def hold(self) -> None:
        """Let nothing through, and cut nothing."""
        self._asking.clear()
        self._answering.clear()

    def hold_answers(self) -> None:
        """Let through what is asked, and no answer."""
        self._answering.clear()

    def release(self) -> None:
        """Let everything through again."""
        self._asking.set()
        self._answering.set()

    def close(self) -> None:
        """Stop."""
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
                there = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                if self._listener.fileno() < 0:
                    return
                continue
            self._pairs.append((here, there))
            for source, sink, open_ in ((here, there, self._asking), (there, here, self._answering)):
                threading.Thread(target=self._pump, args=(source, sink, open_), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_open: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                is_open.wait()
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class Broker:
    """A nats-server outside the supervisor, for scenarios that put something between it and Spillway."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        binary = shutil.which("nats-server", path=str(Path(sys.executable).parent))
        assert binary, "nats-server is not installed"
        self.command = [binary, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(folder / "nats")]
        self.command += ["-l", str(folder / "nats.log")]
        self.process = subprocess.Popen(self.command)
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 0.5).close()
                return
            time.sleep(0.05)

    def close(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait(10)
