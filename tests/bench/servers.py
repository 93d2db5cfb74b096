"""Processes under test: each started as a user would, on the core it is given, and ended with the measurement."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from app.compare.system import ROOT, checkout_with
from app.ports import free_port
from tests.bench.peers.places import NODE_FOLDER, SCRIPTS

READY_SECONDS = 60.0
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = {CORES[0]}
GENERATOR_CORE = {CORES[-1]}  # broker and worker run there too: what they use is counted by itself
EVERY_CORE = set(CORES)
PINNED = len(CORES) > 1
QUIET = {"RATE_LIMIT": "off", "MAX_CLIENTS": "20000", "DRAIN_SECONDS": "0", "LOG_LEVEL": "warning"}

NOOP = '''"""Nothing at all, to see what a job costs by itself."""

from typing import TypedDict

from app.tasks import Text, task


class Done(TypedDict):
    """That it was done."""

    done: bool


@task(runs=("RUNS",))
def NAME(text: Text = "x") -> Done:
    """Nothing at all"""
    return Done(done=True)
'''
ON_REQUEST = {"noop": NOOP.replace("RUNS", "request").replace("NAME", "noop")}
ON_MESSAGE = {
    name: NOOP.replace("RUNS", "message").replace("NAME", name).replace(' = "x"', "")
    for name in ("noop_a", "noop_b", "noop_c")
}
Tasks = Mapping[str, str] | None  # the files of app/tasks by name; None: as they are


class NotStarted(Exception):
    """A process did not become ready; the message holds the end of its log."""


class Servers:
    """The processes of one side: their CPU clocks, their memory, and the address of the first one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.processes: dict[str, subprocess.Popen[str]] = {}

    @property
    def url(self) -> str:
        """The address of the server that clients talk to."""
        return f"http://127.0.0.1:{self.port}"

    def start(
        self,
        name: str,
        command: list[str],
        cores: set[int],
        is_ready: Callable[[], bool] = lambda: True,
        cwd: Path = ROOT,
        piped: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start a process on these cores and wait until it is ready; raises NotStarted. `piped`: the bench reads its output."""
        before = os.sched_getaffinity(0)
        path = self.folder / f"{name}.log"
        with path.open("w") as log, on_cores(cores, before):  # a child begins on the cores of its parent
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else log,
                stderr=log,
                text=True,
            )
        self.processes[name] = process
        until = time.monotonic() + READY_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > until:
                raise NotStarted(f"{name} did not start: {path.read_text()[-600:]}")
            time.sleep(0.02)
        return process

    def cpu(self) -> dict[str, float]:
        """CPU seconds of each process so far, all its threads together."""
        return {name: cpu_seconds(process.pid) for name, process in self.processes.items()}

    def resident_bytes(self, name: str) -> int:
        """Resident memory of one of the processes."""
        pages = int(Path(f"/proc/{self.processes[name].pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        """End all of them at once: what they hold is thrown away."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()


@contextmanager
def on_cores(cores: set[int], before: set[int]) -> Iterator[None]:
    """What is started meanwhile runs on these cores."""
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process in nanosecond steps; the clock's number is clock_getcpuclockid(3)'s (Linux)."""
    return time.clock_gettime((~pid << 3) | 2)


@contextmanager
def servers() -> Iterator[Servers]:
    """Somewhere to start processes; all of them end, and their folder goes, with the block."""
    with tempfile.TemporaryDirectory(prefix="spillway-bench-") as folder:
        started = Servers(Path(folder))
        try:
            yield started
        finally:
            started.stop()


@contextmanager
def spillway(
    tasks: Tasks, queued: bool = False, pinned: bool = True, data: Path | None = None, **settings: str
) -> Iterator[Servers]:
    """The web process on one core; with `queued` also broker and worker, on the other one. Unpinned: all on all cores.

    It begins with a copy of the folder `data`, or with an empty one.
    """
    with servers() as started:
        root = checkout(started.folder, tasks)
        web, others = (SERVER_CORE, GENERATOR_CORE) if pinned else (EVERY_CORE, EVERY_CORE)
        own = started.folder / "data"
        if data:
            shutil.copytree(data, own)
        else:
            own.mkdir()
        environment = {**QUIET, "DATA_DIR": str(own), "PORT": str(started.port), **settings}
        if queued:
            environment |= {"NATS_URL": nats_server(started, others), "DEFAULT_PATH": "queued"}
        command = [sys.executable, "wsgi.py"]
        started.start("web", command, web, lambda: answers(started.url, "/livez"), root, environment=environment)
        if queued:
            ready = started.folder / "worker.ready"
            command = [sys.executable, "-m", "app.worker", "--ready-file", str(ready)]
            started.start("worker", command, others, ready.exists, root, environment=environment)
        yield started


def checkout(folder: Path, tasks: Tasks) -> Path:
    """What is in the repository, with other files in app/tasks; itself when those stay as they are."""
    if tasks is None:
        return ROOT
    root = checkout_with({}, folder)
    for file in (root / "app" / "tasks").glob("[!_]*.py"):
        file.unlink()
    for name, text in tasks.items():
        (root / "app" / "tasks" / f"{name}.py").write_text(text)
    return root


def nats_server(started: Servers, cores: set[int] = GENERATOR_CORE) -> str:
    """Start a broker with JetStream; its address."""
    port = free_port()
    binary = str(Path(sys.executable).parent / "nats-server")
    command = [binary, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(started.folder / "nats")]
    started.start("broker", command, cores, lambda: _listens(port))
    return f"nats://127.0.0.1:{port}"


def redis_server(started: Servers) -> str:
    """Start a Redis that writes each change to its log as BullMQ's documentation wants it; its port."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(started.folder)]
    command += ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"]
    started.start("broker", command, GENERATOR_CORE, lambda: _listens(port))
    return str(port)


def model_server(started: Servers, kind: str, cores: set[int] = GENERATOR_CORE, **times: dict[str, float]) -> str:
    """Start the `embedded` model server, or the `synthetic` one with these times; its address."""
    port = free_port()
    command = [sys.executable, "-m", f"ml_clients.{kind}", "--port", str(port)]
    if times:
        command += ["--times", json.dumps(times)]
    started.start("models", command, cores, lambda: answers(f"http://127.0.0.1:{port}", "/livez"))
    return f"http://127.0.0.1:{port}"


@contextmanager
def node() -> Iterator[Servers]:
    """Node's socket.io."""
    with servers() as started:
        command = ["node", str(SCRIPTS / "node_server.js"), str(NODE_FOLDER), str(started.port)]
        started.start("web", command, SERVER_CORE, lambda: _listens(started.port))
        yield started


@contextmanager
def stock() -> Iterator[Servers]:
    """Flask-SocketIO on eventlet."""
    with servers() as started:
        command = [sys.executable, str(SCRIPTS / "stock_server.py"), str(started.port)]
        started.start("web", command, SERVER_CORE, lambda: _listens(started.port))
        yield started


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


def answers(url: str, path: str) -> bool:
    """Whether a server says 200 there."""
    try:
        with urllib.request.urlopen(url + path, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
