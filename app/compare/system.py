"""A whole Spillway for a while: `python -m app.run` on a free port with a folder of its own, what it uses up, and where."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import msgspec
import psutil
import requests

from app.compare.samples import Use
from app.compare.workload import Workload, python_task_files
from app.ports import free_port
from app.settings import from_env

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 60.0
PARTS = {  # the supervisor's name of each process, without a number, and a word in its command line
    "web process": "wsgi.py",
    "worker": "app.worker",
    "broker": "nats-server",
    "model server": "ml_clients.embedded",
    "database": "/postgres",
    "nginx": "nginx",
}
TOPOLOGIES = ("one", "cluster")  # what `make run` starts, and what `make cluster` does
FRONT = 100  # nginx's port is so many above PORT
SAMPLE_SECONDS = 0.5  # between two samples
ISOLATED_SETTINGS = {  # the user's own settings must not lead a run to their data, or make all variants the same
    "HOST": "127.0.0.1",
    "AUTH": "open",
    "PUBLIC_URL": "",
    "DATABASE_URL": "",
    "NATS_CREDS": "",
    "NATS_INBOX": "",
    "NATS_PREFIX": "",
    "LEDGER": "on",
    "RATE_LIMIT": "off",  # one client sends for all the people of a room
    "UPLOAD_RATE": "off",
    "LOG_LEVEL": "warning",
}


class NotReady(Exception):
    """The system did not become ready; the message is the end of its log."""


class System:
    """A whole system as a context manager: started on entry, stopped on exit; `queue=False` leaves out broker and worker.

    `folder` is its DATA_DIR and `log` its log, both by default in a temporary folder; `first_port` its PORT, by default a free
    one.
    """

    module = "app.run"

    def __init__(
        self,
        folder: str | None = None,
        root: Path = ROOT,
        queue: bool = True,
        log: Path | None = None,
        first_port: str = "",
        **settings: str,
    ) -> None:
        self._folder = TemporaryDirectory(prefix="spillway-")
        self._root, self._options = root, [] if queue else ["--no-queue"]
        self.port = int(first_port) if first_port else free_port(1, 2, FRONT)  # several web processes, and nginx
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = Path(folder or self._folder.name)
        self.log = log or Path(self._folder.name) / "run.log"
        self.settings = settings
        self.token = ""  # of an operator, where AUTH=token asks for one
        self._environment = {
            **{key: value for key, value in os.environ.items() if key not in ("NATS_URL", "ML_URL")},
            "PORT": str(self.port),
            "DATA_DIR": str(self.data),
            **settings,
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._folder.cleanup()

    def start(self) -> None:
        """Start everything and wait for the ready line; raises NotReady after 60 s or when it ends before."""
        with self.log.open("a") as log:
            mark = log.tell()
            self.process = subprocess.Popen(  # nosec B603 # our own program
                [sys.executable, "-m", self.module, *self._options],
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
        """Stop everything with SIGTERM; kill what still runs after a minute."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def kill(self) -> None:
        """Kill every process at once."""
        self.process.kill()
        self.process.wait()
        left = []
        for process in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
                if (
                    os.getsid(process.pid) == self.process.pid
                ):  # each part has its own process group, all share the session
                    process.kill()
                    left.append(process)
        psutil.wait_procs(left, 10)

    def log_tail(self) -> str:
        """The last lines of its log, without those about starting, as one line."""
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines()]
        relevant = [line for line in lines if line and not line.startswith("starting ") and " ready" not in line]
        return " / ".join(relevant[-3:])[-600:] or "its log is empty"

    def parts(self) -> dict[str, psutil.Process]:
        """Its running processes, by the supervisor's names for them; one of each."""
        return dict(self.processes())

    def processes(self) -> list[tuple[str, psutil.Process]]:
        """All of them, and for each which part it is one of."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    command = " ".join(child.cmdline())
                    if child.status() != psutil.STATUS_ZOMBIE:
                        kinds = [name for name, word in PARTS.items() if word in command]
                        does = (
                            child.children() if kinds in (["database"], ["nginx"]) else []
                        )  # they only watch over those
                        found += [(kind, each) for kind in kinds[:1] for each in (child, *does)]
        return found

    @property
    def headers(self) -> dict[str, str]:
        """What requests of an operator carry."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def flag(self, path: str, task: str = "*") -> None:
        """Set the flag of a task, or of all tasks."""
        requests.put(
            f"{self.url}/api/flags/{task}", json={"path": path}, headers=self.headers, timeout=10
        ).raise_for_status()

    def unset(self, task: str) -> None:
        """Remove the flag of a task, so that the flag `*` applies to it again."""
        requests.delete(f"{self.url}/api/flags/{task}", headers=self.headers, timeout=10).raise_for_status()


class Cluster(System):
    """The same as `make cluster` starts it: several of each part, and nginx in front where it is installed."""

    module = "app.cluster"

    def start(self) -> None:
        """As System; clients come by nginx then."""
        super().start()
        if f"ready http://127.0.0.1:{self.port + FRONT} (nginx" in self.log.read_text():
            self.url = f"http://127.0.0.1:{self.port + FRONT}"


class RunFailed(Exception):
    """A run failed; the message says which part failed and how."""


@contextmanager
def variant_system(
    variant: str, workload: Workload, models: str, seed: int, topology: str = "one"
) -> Iterator[tuple[System, psutil.Process | None]]:
    """The system with the parts this variant needs, and the synthetic model server if one is used; raises RunFailed.

    It is stopped as an operator would stop it, and killed when the run fails.
    """
    settings = {**ISOLATED_SETTINGS, "DEFAULT_PATH": "simple" if variant == "plain" else variant}
    if variant == "plain":
        settings["LEDGER"] = "off"
    with ExitStack() as stack:
        root, model = ROOT, None
        if workload.python_ms:
            root = checkout_with(
                python_task_files(workload), Path(stack.enter_context(TemporaryDirectory(prefix="spillway-")))
            )
        if models == "synthetic":
            model, settings["ML_URL"] = stack.enter_context(_synthetic(workload, seed))
        kind = Cluster if topology == "cluster" else System
        system = kind(None, root, topology == "cluster" or variant in ("queued", "auto"), None, **settings)
        try:
            stack.enter_context(system)
        except NotReady:
            raise RunFailed(f"{variant} did not start: {system.log_tail()}") from None
        try:
            yield system, model
        except BaseException:
            system.kill()
            raise


def checkout_with(task_files: Mapping[str, str], folder: Path) -> Path:
    """A copy of this checkout in the folder, with these files in app/tasks as well; returns its root."""
    root = folder / "checkout"
    for name in ("app", "ml_clients"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("models"), symlinks=True)
    shutil.copy(ROOT / "wsgi.py", root)
    (root / "deploy").symlink_to(ROOT / "deploy")  # nginx's configuration is there
    models = Path("ml_clients", "embedded", "models")
    (root / models).symlink_to(ROOT / models)
    for name, text in task_files.items():
        (root / "app" / "tasks" / f"{name}.py").write_text(text)
    return root


@contextmanager
def _synthetic(workload: Workload, seed: int) -> Iterator[tuple[psutil.Process, str]]:
    times = msgspec.json.encode(workload.times).decode()
    process = subprocess.Popen(  # nosec B603 # our own program
        [sys.executable, "-m", "ml_clients.synthetic", "--port", "0", "--seed", str(seed), "--times", times],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        ready = re.search(r"ready (\S+)", process.stdout.readline())  # type: ignore[union-attr]  # it has one
        if ready is None:
            raise RunFailed("the synthetic model server did not start (see its line above)")
        yield psutil.Process(process.pid), ready[1]
    finally:
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


class Meter:
    """Samples what each part uses twice a second; a restarted part adds to what its predecessor used."""

    def __init__(self, processes: Callable[[], Iterable[tuple[str, psutil.Process]]]) -> None:
        self._processes = processes
        self._used: dict[tuple[str, int], float] = {}  # (part, process) -> CPU seconds at the last sample
        self._before: dict[str, float] = {}
        self.uses: list[Use] = []

    def begin(self) -> None:
        """Take the current CPU times as zero."""
        self.sample(0.0)
        self.uses.clear()
        self._before = {part: self._cpu(part) for part, _ in self._used}

    async def watch(self, begin: float) -> None:
        """Sample until cancelled; times count from `begin` on the monotonic clock."""
        while True:
            await asyncio.to_thread(self.sample, time.monotonic() - begin)
            await asyncio.sleep(SAMPLE_SECONDS)

    def sample(self, at: float) -> None:
        """Sample once, `at` seconds after the load began."""
        held: dict[str, tuple[float, int]] = {}
        for part, process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                times = process.cpu_times()
                self._used[part, process.pid] = times.user + times.system
                mb, sockets = held.get(part, (0.0, 0))
                held[part] = mb + process.memory_info().rss / 1e6, sockets + len(process.net_connections("tcp"))
        for part, (mb, sockets) in held.items():
            cpu = self._cpu(part) - self._before.get(part, 0.0)
            self.uses.append(Use(round(at, 3), part, round(cpu, 2), mb, sockets))

    def _cpu(self, part: str) -> float:
        return sum(seconds for (name, _), seconds in self._used.items() if name == part)


def machine() -> dict[str, object]:
    """Cores, processor, memory and software of this machine."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "max_inflight": from_env().max_inflight,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
