"""A PostgreSQL cluster of one's own: real servers in a temporary folder, which end with the test process, however that ends."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg

from app.cluster import as_postgres_user, postgres_binaries, postgres_user
from app.compare.system import ROOT
from app.ports import free_port

WAIT = 30.0  # seconds until a test gives up on what must happen
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # tests survive no power cut
    "shared_buffers": "16MB",
    "max_connections": "60",
    "jit": "off",
    "logging_collector": "off",
}
numbers = itertools.count(1)


class Cluster:
    """A server with any number of databases."""

    def __init__(self, copy_of: Cluster | None = None, port: int | None = None, **settings: str) -> None:
        """Make it and start it, with these settings besides SETTINGS; `copy_of` makes it that one's standby."""
        self.folder = Path(tempfile.mkdtemp(prefix="spillway-pg-"))
        self.port, self._settings = port or free_port(), {**SETTINGS, **settings}
        if (user := postgres_user()) is not None:
            shutil.chown(self.folder, user)
        try:
            self._make() if copy_of is None else self._copy(copy_of)
            self.start()
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        options = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-N"]
        subprocess.run(
            [*_as_user(), _binary("initdb"), "-D", str(self.data), *options],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
        )

    def _copy(self, primary: Cluster) -> None:
        origin = f"host=127.0.0.1 port={primary.port} user=postgres application_name=standby"
        command = ["-D", str(self.data), "--write-recovery-conf", "--checkpoint=fast", "--no-sync", "-d", origin]
        subprocess.run([*_as_user(), _binary("pg_basebackup"), *command], check=True, cwd="/")

    def promote(self) -> None:
        """Make a standby the server that is written to, and let it wait for no standby of its own."""
        self.run("postgres", "SELECT pg_promote()")
        self.set(synchronous_standby_names="")

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.folder / "data"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [*_as_user(), _binary("postgres"), "-D", str(self.data), "-p", str(self.port), *options],
                stdout=log,
                stderr=log,
                cwd="/",
            )
        give_up = time.monotonic() + WAIT
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < give_up, "PostgreSQL does not start"
            time.sleep(0.05)

    def kill(self) -> None:
        """It is gone at once, and all that belongs to it."""
        children = psutil.Process(self.process.pid).children()
        self.process.kill()
        self.process.wait()
        for child in children:  # which would end by themselves, but stand in the way of a start until then
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, WAIT)

    def stop(self) -> None:
        """Stop it at once and in order: connections are cut."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(WAIT)

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """All of its processes stand still, as if its machine were away."""
        processes = [self.process.pid, *(each.pid for each in psutil.Process(self.process.pid).children())]
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def until_gone(self, backend: int) -> None:
        """Wait until one of its processes has ended."""
        give_up = time.monotonic() + WAIT
        while psutil.pid_exists(backend):
            assert time.monotonic() < give_up, "the server's process does not end"
            time.sleep(0.02)

    def set(self, **settings: str) -> None:
        """Change settings of the running server."""
        for name, value in settings.items():
            self.run("postgres", "SET default_transaction_read_only = off", f"ALTER SYSTEM SET {name} = '{value}'")
        self.run("postgres", "SELECT pg_reload_conf()")

    def close(self) -> None:
        """End it, and remove everything."""
        with contextlib.suppress(AttributeError):
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(WAIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """Where a database of it is."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def database(self, *options: str) -> str:
        """The URL of a new database."""
        name = f"t{next(numbers)}"
        self.run("postgres", f"CREATE DATABASE {name} TEMPLATE template0 {' '.join(options)}")
        return self.url(name)

    def run(self, database: str, *statements: str) -> None:
        """Run these, each by itself."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


def _as_user() -> list[str]:
    """What becomes that user, and dies with us: changing the user would undo what app/child.py asks of the kernel."""
    return as_postgres_user() or [sys.executable, "-I", "-S", str(ROOT / "app" / "child.py"), str(os.getpid())]


def _binary(name: str) -> str:
    folder = postgres_binaries()
    assert folder is not None
    return str(folder / name)


@contextlib.contextmanager
def running(copy_of: Cluster | None = None, **settings: str) -> Iterator[Cluster]:
    """A cluster for a while."""
    cluster = Cluster(copy_of, None, **settings)
    try:
        yield cluster
    finally:
        cluster.close()
