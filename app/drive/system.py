"""A whole Spillway for a while: `python -m app.run` on a free port with a folder of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

import psutil
import requests

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 60.0
PARTS = {  # as the supervisor calls them, and what is in their command lines
    "web process": "wsgi.py",
    "worker": "app.worker",
    "broker": "nats-server",
    "model server": "ml_clients.embedded",
}


class NotReady(Exception):
    """The system did not come up; the message holds the end of its log."""


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class System:
    """Starts everything, gives its address and processes, and stops everything; without `queue`, no broker and worker."""

    def __init__(self, folder: str | None = None, root: Path = ROOT, queue: bool = True, **settings: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="spillway-")
        self._root, self._options = root, [] if queue else ["--no-queue"]
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = Path(folder or self._folder.name)
        self.log = Path(self._folder.name) / "run.log"
        self._environment = {
            **{key: value for key, value in os.environ.items() if key not in ("NATS_URL", "ML_URL")},
            "PORT": str(self.port),
            "DATA_DIR": str(self.data),
            **settings,
        }

    def __enter__(self) -> System:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._folder.cleanup()

    def start(self) -> None:
        """Start everything and wait for the ready line; raises NotReady."""
        with self.log.open("a") as log:
            mark = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.run", *self._options],
                cwd=self._root,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + READY_SECONDS
        while "ready http" not in self.log.read_text()[mark:].replace("web ready", "").replace("server ready", ""):
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise NotReady(self.log.read_text()[-2000:])
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop everything gracefully; what is left after a minute is killed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def kill(self) -> None:
        """End everything at once, whatever it was doing."""
        self.process.kill()
        self.process.wait()
        left = []
        for process in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
                if os.getsid(process.pid) == self.process.pid:  # its parts have groups of their own in one session
                    process.kill()
                    left.append(process)
        psutil.wait_procs(left, 10)

    def last_words(self) -> str:
        """The last lines of its log that are not about starting, as one sentence."""
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines()]
        told = [line for line in lines if line and not line.startswith("starting ") and " ready" not in line]
        return " / ".join(told[-3:])[-600:] or "it said nothing"

    def parts(self) -> dict[str, psutil.Process]:
        """Its processes that run at this moment, by the names the supervisor has for them."""
        found = {}
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    command = " ".join(child.cmdline())
                    if child.status() != psutil.STATUS_ZOMBIE:
                        found.update({name: child for name, word in PARTS.items() if word in command})
        return found

    def flag(self, path: str, task: str = "*") -> None:
        """Put a task, or all, on a path."""
        requests.put(f"{self.url}/api/flags/{task}", json={"path": path}, timeout=10).raise_for_status()

    def unset(self, task: str) -> None:
        """Take a task's own flag away, so that `*` holds for it again."""
        requests.delete(f"{self.url}/api/flags/{task}", timeout=10).raise_for_status()
