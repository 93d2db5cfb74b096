"""What tests share: few real systems for the whole session, and guests who chat on them."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, settings

from app.cluster import postgres_binaries
from app.compare.system import ROOT, System
from app.store.store import Store
from tests.broker import RealBroker
from tests.cluster import Cluster, running
from tests.guest import SECRETS, WAIT, Guest, signed
from tests.logs import assert_no_traceback
from tests.own_loop import OwnLoop

# How long an example takes is the machine's business: no test is about time.
settings.register_profile("spillway", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("spillway")


@dataclass(frozen=True)
class Site:
    """Where the contract is tested: a running system whose flag `*` says this path."""

    system: System
    path: str

    @property
    def url(self) -> str:
        """Its address."""
        return self.system.url

    @property
    def asks_tokens(self) -> bool:
        """Whether people must prove who they are."""
        return self.url in SECRETS

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """The answer to an operator's request."""
        return requests.request(method, self.url + path, headers=self.system.headers, timeout=WAIT, **more)


def need(there: object, what: str) -> None:
    """Skip a test whose part is missing here; with CI=true that is a failure."""
    if there:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI=true")
    pytest.skip(f"{what} is missing: make test sets it up")


@pytest.fixture(scope="session")
def parts() -> None:
    """Everything a system is made of is installed."""
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    need(shutil.which("nats-server", path=binaries), "nats-server")
    need((ROOT / "ml_clients" / "embedded" / "models").is_dir(), "the folder of model files")


@pytest.fixture(scope="session")
def ml_url(parts: None) -> Iterator[str]:
    """The address of a real model server for all who do it no harm: to start one takes as long as a web process."""
    command = [sys.executable, "-m", "ml_clients.embedded", "--port", "0", "--niceness", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        ready = re.search(r"model server ready (\S+)", server.stdout.readline())
        assert ready
        yield ready[1]
        server.terminate()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBroker]:
    """A nats-server for all who take streams of their own, and do it no harm."""
    need(shutil.which("nats-server", path=str(Path(sys.executable).parent)), "nats-server")
    running = RealBroker(tmp_path_factory.mktemp("nats"))
    yield running
    running.close()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[RealBroker]:
    """A nats-server that a test may kill."""
    need(shutil.which("nats-server", path=str(Path(sys.executable).parent)), "nats-server")
    running = RealBroker(tmp_path)
    yield running
    running.close()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server for all who take a database of their own, and do it no harm."""
    need(postgres_binaries(), "PostgreSQL")
    with running() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def systems(ml_url: str, request: pytest.FixtureRequest) -> Iterator[Callable[[str], System]]:
    """Running systems by ASYNC_MODE, with AUTH and database where they follow: each is started when first asked for."""
    running: dict[str, System] = {}
    secret = secrets.token_hex(32)
    with ExitStack() as stack:

        def system(mode: str) -> System:
            if mode not in running:
                library, *more = mode.split()
                tokens = "tokens" in more
                database = request.getfixturevalue("cluster").database() if "postgresql" in more else ""
                started = System(
                    ASYNC_MODE=library,
                    ML_URL=ml_url,
                    RATE_LIMIT="off",
                    UPLOAD_RATE="off",
                    MAX_INFLIGHT="4",
                    UNANSWERED_SECONDS="1",
                    MAX_UPLOAD_BYTES="1000000",
                    AUTH="token" if tokens else "open",
                    AUTH_SECRET=secret if tokens else "",
                    DATABASE_URL=database,
                    SECRET_KEY=secret,
                )
                if tokens:
                    SECRETS[started.url] = secret
                    started.token = signed(secret, sub="operator", rooms=["*"], role="operator")
                running[mode] = stack.enter_context(started)
            return running[mode]

        yield system
        for each in running.values():
            assert_no_traceback(each.log)


@pytest.fixture(scope="session")
def talker() -> Iterator[str]:
    """The address of a language model that says 150 words, 50 a second."""
    command = [sys.executable, "-m", "ml_clients.synthetic", "--port", "0"]
    command += ["--talk", '{"tokens": 150, "per_second": 50}']
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    found = re.search(r"ready (\S+)", server.stdout.readline())
    assert found
    yield found[1]
    server.terminate()
    server.communicate(timeout=20)


@pytest.fixture(scope="module")
def system(systems: Callable[[str], System]) -> Iterator[System]:
    """The system most tests share, on eventlet, every task on the simple path."""
    shared = systems("eventlet")
    shared.flag("simple")
    yield shared
    shared.flag("simple")


SITES = [  # each path, each library and each way of proving who one is once, and in `make slow` the product
    ("auto", "eventlet"),
    ("queued", "threading with tokens on postgresql"),
    *(  # the simple path alone is what test_bad_input.py, tests/browser and most others are on
        pytest.param((path, mode), marks=pytest.mark.slow)
        for path, mode in [
            ("simple", "eventlet"),
            ("queued", "eventlet"),
            *((path, mode) for path in ("simple", "queued", "auto") for mode in ("threading", "eventlet with tokens")),
            *(
                (path, f"{mode} on postgresql")
                for path in ("simple", "queued", "auto")
                for mode in ("eventlet", "threading")
            ),
            *((path, "threading with tokens") for path in ("simple", "queued", "auto")),
        ]
    ),
]


@pytest.fixture(scope="module", params=SITES, ids=" on ".join)
def site(request: pytest.FixtureRequest, systems: Callable[[str], System]) -> Iterator[Site]:
    """A running system, and the path of all its tasks."""
    path, mode = request.param
    running = systems(mode)
    running.flag(path)
    yield Site(running, path)
    running.flag("simple")


@pytest.fixture
def own() -> Iterator[OwnLoop]:
    """A loop; its threads have ended when it closes."""
    made = OwnLoop()
    yield made
    made.join()
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new database: one of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'either.db'}"
    return str(request.getfixturevalue("cluster").database())


@pytest.fixture
def store(own: OwnLoop, tmp_path: Path) -> Iterator[Store]:
    """An open store."""
    opened = Store(f"sqlite:///{tmp_path / 'x.db'}", own)
    yield opened
    own.run(opened.close())


@pytest.fixture
def room() -> str:
    """A room nobody else uses."""
    return f"room-{secrets.token_hex(6)}"


@pytest.fixture
def guests() -> Iterator[Callable[..., Guest]]:
    """Lets guests in, and sees them out."""
    came: list[Guest] = []

    def come(url: str, *args: object, **auth: object) -> Guest:
        guest = Guest(url, *args, **auth)  # type: ignore[arg-type]  # Guest's own parameters
        came.append(guest)
        return guest

    yield come
    for guest in came:
        guest.close(wait=False)


@pytest.fixture
def ann(site: Site, guests: Callable[..., Guest], room: str) -> Guest:
    """Ann, who has joined the room."""
    guest = guests(site.url, "Ann")
    guest.join(room)
    return guest


@pytest.fixture
def ben(site: Site, guests: Callable[..., Guest], room: str) -> Guest:
    """Ben, who has joined the room."""
    guest = guests(site.url, "Ben")
    guest.join(room)
    return guest
