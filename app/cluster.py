"""`make cluster`: what runs on several machines in earnest, as plain processes on this one.

Three brokers in a JetStream cluster, PostgreSQL, two web processes, two workers, the model server, and nginx in front where
it is installed. The settings are those of deploy/compose.yml.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from app import data_dir, front, run, streams
from app.ports import free_port
from app.queue import accounts
from app.settings import SettingInvalid, Settings, from_env
from app.supervisor import Part, PartsFailed, Supervisor

BROKERS = 3
WEB = 2
WORKERS = 2
DATABASE = "spillway"
SERVER_SETTINGS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "logging_collector": "off"}


class Place(NamedTuple):
    """Where a broker is, for clients and for the other brokers."""

    port: int
    route: int


def postgres_binaries() -> Path | None:
    """The folder of the newest PostgreSQL server that is installed, or None."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def main() -> int:
    """Run until a signal asks to stop, and return 0; 1 when a part cannot be kept alive, 2 for an invalid setting or task."""
    streams.never_block()
    environ = {**os.environ, "NATS_URL": "nats://127.0.0.1", "WEB": str(WEB), "REPLICAS": str(BROKERS)}
    environ["DATABASE_URL"] = "postgresql://127.0.0.1/spillway"  # ours, once it is known where
    environ.setdefault("SECRET_KEY", "0" * 64)
    try:
        settings = from_env(environ)
        data_dir.make_private(settings.data_dir)
        with data_dir.locked(settings):
            lane_of = run.check_tasks()
            Supervisor(_parts(settings, lane_of)).run(run.addresses(settings))
    except (SettingInvalid, data_dir.DataDirInUse, run.TasksInvalid) as error:
        print(error, file=sys.stderr)
        return 2
    except PartsFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parts(settings: Settings, lane_of: dict[str, str]) -> list[Part]:
    places = [Place(free_port(), free_port()) for _ in range(BROKERS)]
    users = run.bundled_broker(settings, lane_of)
    database = _Server(settings.data_dir)
    model = free_port()
    shared = {
        "DATABASE_URL": database.url,
        "REPLICAS": str(BROKERS),
        "SECRET_KEY": os.environ.get("SECRET_KEY") or _key(settings.data_dir / "cluster_key"),
        "ML_URL": os.environ.get("ML_URL") or f"http://127.0.0.1:{model}",
    }
    for role, user in users.others().items():
        data_dir.keep_broker_urls(settings, {role: _urls(places, user)})
    parts = [_broker(settings, places, number, users) for number in range(BROKERS)]
    parts.append(database.part())
    if "ML_URL" not in os.environ:
        command = [sys.executable, "-m", "ml_clients.embedded", "--port", str(model), "--niceness", settings.niceness]
        parts.append(Part("model server", command, run.answers_http(f"{shared['ML_URL']}/livez"), 2.0, relayed=True))
    for number in range(1, WORKERS + 1):
        ready = settings.data_dir / f"worker-{number}.ready"
        environment = {**shared, "NATS_URL": _urls(places, users.worker)}
        command = [sys.executable, "-m", "app.worker", "--ready-file", str(ready)]
        parts.append(Part(f"worker {number}", command, _always, settings.drain_seconds, environment, ready_file=ready))
    web = {**shared, "NATS_URL": _urls(places, users.web)}
    parts += [run.web_part(settings, web, number) for number in range(WEB)]
    if front.binary() is not None:
        parts.append(run.nginx_part(settings))
    return parts


def _always() -> bool:
    return True


def _urls(places: list[Place], user: accounts.User) -> str:
    return ",".join(user.url(f"127.0.0.1:{place.port}") for place in places)


def _key(path: Path) -> str:
    """A key of our own, kept from one start to the next."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text().strip()


def _broker(settings: Settings, places: list[Place], number: int, users: run.Bundled) -> Part:
    place, name = places[number], f"broker-{number + 1}"
    folder = settings.data_dir / name
    folder.mkdir(exist_ok=True)
    config = folder / "nats.conf"
    config.touch(mode=0o600)  # it holds passwords
    routes = ", ".join(f'"nats://127.0.0.1:{each.route}"' for each in places if each != place)
    config.write_text(
        f'server_name: "{name}"\nlisten: "127.0.0.1:{place.port}"\n'
        f'cluster {{ name: spillway, listen: "127.0.0.1:{place.route}", routes: [{routes}] }}\n'
        f"{accounts.configuration([users.web, *users.others().values()], users.monitor)}"
        f'jetstream {{ store_dir: "{folder.resolve()}", max_file_store: {run.most_bytes(settings, folder)} }}\n'
        "max_payload: 4MB\nlogtime: true\n"
    )
    command = [run.nats_server(), "-c", str(config), "-l", str(folder / "nats.log")]
    return Part(f"broker {number + 1}", command, lambda: run.listens(place.port), 5.0, nice=5, relayed=True)


class _Server:
    """A PostgreSQL server with a database for us, whose password is in a file that only its owner can read."""

    def __init__(self, data: Path) -> None:
        binaries = postgres_binaries()
        if binaries is None:
            raise PartsFailed("PostgreSQL is not installed: make postgres installs Debian's where that is allowed")
        self._binaries, self._port = binaries, free_port()
        self._passwords = data.resolve() / "pgpass"
        self._folder = _folder(data.resolve())
        if not (self._folder / "PG_VERSION").exists():
            self._make()

    @property
    def url(self) -> str:
        """DATABASE_URL of whoever uses it."""
        return f"postgresql://{DATABASE}@127.0.0.1:{self._port}/{DATABASE}?passfile={self._passwords}"

    def part(self) -> Part:
        """The server, to be kept alive."""
        options = [f"-c{name}={value}" for name, value in SERVER_SETTINGS.items()]
        place = ["-D", str(self._folder), "-p", str(self._port)]
        command = [*as_postgres_user(), str(self._binaries / "postgres"), *place, *options]
        return Part("database", command, lambda: run.listens(self._port), 10.0, relayed=True)

    def _make(self) -> None:
        password = secrets.token_hex(24)
        self._passwords.touch(mode=0o600)
        self._passwords.write_text(f"*:*:*:{DATABASE}:{password}\n")
        options = ["-A", "scram-sha-256", "-U", DATABASE, "-E", "UTF8", "--locale=C", "-N"]
        with _readable_by_it(password) as given:
            self._run("", "initdb", "-D", str(self._folder), f"--pwfile={given}", *options)
        make = f"CREATE DATABASE {DATABASE}\n"
        self._run(make, "postgres", "--single", "-D", str(self._folder), "postgres")

    def _run(self, said: str, program: str, *args: str) -> None:
        done = subprocess.run(  # nosec B603 # PostgreSQL's own programs
            [*as_postgres_user(), str(self._binaries / program), *args],
            input=said, text=True, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/",
        )  # fmt: skip
        if done.returncode != 0:
            raise PartsFailed(f"{program} failed: {' '.join(done.stderr.split())[-300:]}")


@contextlib.contextmanager
def _readable_by_it(text: str) -> Iterator[str]:
    """A file with this text, for the server's user alone."""
    with tempfile.NamedTemporaryFile("w", prefix="spillway-") as file:
        file.write(text)
        file.flush()
        if (user := postgres_user()) is not None:
            shutil.chown(file.name, user)
        yield file.name


def _folder(data: Path) -> Path:
    """Where the server keeps its files: in DATA_DIR, unless it runs as a user who may not look into that."""
    user, known = postgres_user(), data / "postgres"
    if user is None:
        known.mkdir(exist_ok=True)
        return known
    if not known.is_symlink():
        folder = Path(tempfile.mkdtemp(prefix="spillway-postgres-"))
        shutil.chown(folder, user)
        known.symlink_to(folder)
    return known.resolve()


def postgres_user() -> str | None:
    """Who the server runs as where we are root, which it refuses."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("postgres").pw_name
    return "nobody"


def as_postgres_user() -> list[str]:
    """The start of a command that runs as that user and dies with its parent; empty where no change of user is needed."""
    user = postgres_user()
    if user is None:
        return []
    group = pwd.getpwnam(user).pw_gid
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--pdeathsig", "KILL"]


if __name__ == "__main__":
    sys.exit(main())
