"""A broker with accounts: each process can do its work, and nothing else."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from app.compare.system import checkout_with
from app.queue import accounts, health
from app.queue.accounts import CHECK, User, configuration, inbox_of
from app.queue.connection import Queue
from app.queue.names import Names
from app.settings import SettingInvalid, Settings, from_env
from app.tasks import discover
from tests.broker import WAIT
from tests.command import command
from tests.guest import Guest
from tests.lossless.secured import Secured, with_creds
from tests.lossless.worker import Worker
from tests.web import Web, environment

DOUBLE = '''"""Twice as much."""

from app.tasks import task


@task(lane="sums")
def double(number: int) -> dict[str, int]:
    """Twice as much"""
    return {"twice": number * 2}
'''
CALLED = ["hooks.>"]
LANES = {"sums": ["double"], "ml": ["triage", "language"]}


@dataclass
class Guarded:
    """A broker that knows who is who."""

    place: str
    users: dict[str, User]

    def url(self, name: str) -> str:
        """NATS_URL of this user."""
        return self.users[name].url(self.place)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.place.rpartition(":")[2])


@pytest.fixture(scope="module")
def guarded(parts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A broker with the accounts that nats-config prints, and the supervisor's own."""
    names = Names()
    worker, monitor = accounts.worker(names, {"sums": ["double"]}), accounts.monitor()
    users = [accounts.web(names, CALLED), worker, accounts.operator(names), accounts.service(names, CALLED)]
    broker = Secured(tmp_path_factory.mktemp("broker"), "nats", configuration(users, monitor), {})
    yield Guarded(broker.url.removeprefix("nats://"), {user.name: user for user in [*users, monitor]})
    broker.close()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Spillway with one task more, on a lane of its own."""
    return checkout_with({"double": DOUBLE}, tmp_path_factory.mktemp("copy"))


def refusals(url: str, act: Callable[[Client], Awaitable[Any]], inbox: str = "") -> list[str]:
    """What the broker says while somebody does this as this user."""
    found: list[str] = []

    async def note(error: Exception) -> None:
        found.append(str(error).lower())

    async def run() -> None:
        own = inbox or inbox_of(url.partition("//")[2].partition(":")[0])
        client = await nats.connect(url, error_cb=note, inbox_prefix=own, allow_reconnect=False)
        await act(client)
        await client.flush()  # nats-py sends its ping past what waits to be written
        await client.flush()
        await client.close()

    asyncio.run(asyncio.wait_for(run(), WAIT))
    return [each for each in found if "permissions violation" in each]


def test_jobs_go_through_with_these_rights_and_no_others(guarded: Guarded, copy: Path, tmp_path: Path) -> None:
    """Web process and worker as they are, each with its own account: asked, run, answered, and cancelled."""
    settings = {
        "NATS_URL": guarded.url("web"),
        "DEFAULT_PATH": "queued",
        "NATS_CALLBACKS": "hooks.>",
        "NATS_INTAKE": "1",
    }
    log = tmp_path / "worker.log"
    with (
        Worker(copy, log, "--lanes", "sums", NATS_URL=guarded.url("worker")) as worker,
        Web(tmp_path / "data", copy, **settings) as web,
    ):
        worker.ready()
        ann = Guest(web.url, "Ann")
        ann.join("lobby")
        for number in range(20):
            job = ann.ask("lobby", "double", number=number)
            final = ann.final(job["id"])
            assert (final["path"], final["result"]) == ("queued", {"twice": number * 2})
        unserved = ann.ask("lobby", "language", text="Guten Morgen")  # nobody serves its lane here
        assert ann.ok("job:cancel", {"job": unserved["id"]})["job"]["state"] == "cancelled"
        ann.close()
        assert asyncio.run(asyncio.wait_for(_asked_over_nats(guarded), WAIT)) == {"twice": 6}
        for each in (log, web.log):
            assert "refuses" not in each.read_text(), each.read_text()


async def _asked_over_nats(guarded: Guarded) -> Any:
    """What another program is called back with, which asked for a job under its own account."""
    client = await nats.connect(guarded.url("service"), inbox_prefix=inbox_of("service"))
    called: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def hear(message: Msg) -> None:
        if not called.done():
            called.set_result(json.loads(message.data))

    await client.subscribe("hooks.done", cb=hear)
    body = {"key": "k", "args": {"number": 3}, "callback": "nats:hooks.done", "sender": {"id": "s", "name": "S"}}
    answer = json.loads((await client.request("requests.lobby.double", json.dumps(body).encode(), timeout=WAIT)).data)
    assert answer["ok"], answer
    result = (await called)["result"]
    await client.close()
    return result


def test_a_worker_waits_for_streams_that_are_not_its_own_to_make(guarded: Guarded, copy: Path, tmp_path: Path) -> None:
    names = Names("later")
    worker = accounts.worker(names, {"sums": ["double"]})
    web = accounts.web(names)
    (tmp_path / "broker").mkdir()
    broker = Secured(tmp_path / "broker", "nats", configuration([web, worker]), {})
    try:
        place = broker.url.removeprefix("nats://")
        options = {"NATS_URL": worker.url(place), "NATS_PREFIX": "later"}
        with Worker(copy, tmp_path / "worker.log", "--lanes", "sums", **options) as running:
            running.ready()
            assert asyncio.run(_one_result(Settings(nats_url=(web.url(place),), nats_prefix="later"))) == {"twice": 4}
            assert running.stop() == 0
    finally:
        broker.close()


async def _one_result(settings: Settings) -> Any:
    """Make the streams, publish one job, and return its result."""
    queue = Queue(settings, ["sums"], lambda _: None)
    await asyncio.wait_for(queue.connect(), WAIT)
    results: asyncio.Queue[bytes] = asyncio.Queue()
    await queue.pull(queue.names.results, "chat", 1, lambda delivery: results.put_nowait(delivery.data))
    body = {"id": "a" * 26, "attempt": 1, "task": "double", "room": "r", "args": {"number": 2}}
    data = json.dumps({**body, "deadline": "2100-01-01T00:00:00.000Z"}).encode()
    queue.publish(queue.names.job("sums", "double"), data, b"", lambda _: None)
    while True:
        result = json.loads(await asyncio.wait_for(results.get(), WAIT))
        if result["state"] != "running":
            await queue.close()
            return result["result"]


NOT_FOR_A_WORKER = [
    "jobs.sums.double",
    "jobs.ml.triage",
    "results.triage",
    "cancel.00000000000000000000000000",
    "dead.RESULTS",
    "requests.clinic.triage",
    "deltas.triage.x",
    "text.x",
    "_INBOX_web.x",
    "$JS.ACK.JOBS.ml.1.1.1.1.1",
    "$JS.ACK.RESULTS.chat.1.1.1.1.1",
    "$JS.API.CONSUMER.MSG.NEXT.JOBS.ml",
    "$JS.API.CONSUMER.MSG.NEXT.RESULTS.chat",
    "$JS.API.STREAM.CREATE.MINE",
    "$JS.API.STREAM.DELETE.JOBS",
    "$JS.API.STREAM.PURGE.JOBS",
    "$JS.API.STREAM.MSG.GET.JOBS",
    "$JS.API.CONSUMER.CREATE.JOBS.mine",
    "$JS.API.CONSUMER.DURABLE.CREATE.JOBS.mine",
    "$JS.API.CONSUMER.DELETE.JOBS.sums",
    "$SYS.REQ.SERVER.PING.HEALTHZ",
]
NOT_FOR_THE_WEB_PROCESS = [
    "results.double",
    "deltas.double.x",
    "$JS.API.STREAM.DELETE.JOBS",
    "$JS.ACK.JOBS.sums.1.1.1.1.1",
]
NOT_FOR_THE_OPERATOR = [
    "jobs.sums.double",
    "deltas.double.x",
    "text.x",
    "results.double",
    "cancel.x",
    "$JS.API.STREAM.CREATE.MINE",
]
NOT_FOR_A_SERVICE = [
    "jobs.sums.double",
    "deltas.double.x",
    "text.x",
    "results.double",
    "cancelled.x",
    "$JS.API.STREAM.INFO.JOBS",
]
NOT_FOR_THE_MONITOR = ["jobs.sums.double", "$SYS.REQ.SERVER.PING.VARZ", "$SYS.REQ.SERVER.PING.CONNZ"]


@pytest.mark.parametrize(
    ("user", "subjects"),
    [
        ("worker", NOT_FOR_A_WORKER),
        ("web", NOT_FOR_THE_WEB_PROCESS),
        ("operator", NOT_FOR_THE_OPERATOR),
        ("service", NOT_FOR_A_SERVICE),
        ("monitor", NOT_FOR_THE_MONITOR),
    ],
)
def test_what_a_user_may_not_publish_the_broker_refuses(guarded: Guarded, user: str, subjects: list[str]) -> None:
    async def publish(client: Client) -> None:
        for subject in subjects:
            await client.publish(subject, b"{}")

    found = refusals(guarded.url(user), publish)
    assert len(found) == len(subjects)
    for subject in subjects:
        assert any(f'publish to "{subject}"'.lower() in each for each in found), subject


@pytest.mark.parametrize("user", ["web", "worker", "operator", "service"])
def test_nobody_hears_the_inboxes_of_others_or_everything(guarded: Guarded, user: str) -> None:
    foreign = [inbox_of(other) + ".>" for other in ("web", "worker", "operator", "service") if other != user]
    subjects = [*foreign, "_INBOX.>", ">", "results.*", "jobs.>", "$JS.ACK.>"]

    async def subscribe(client: Client) -> None:
        for subject in subjects:
            await client.subscribe(subject)

    assert len(refusals(guarded.url(user), subscribe)) == len(subjects)


def test_a_wrong_password_is_refused_and_so_is_none(guarded: Guarded) -> None:
    right = guarded.url("worker")
    wrong = right.replace(guarded.users["worker"].password, "x" * 48)
    for url in (wrong, f"nats://{guarded.place}", f"nats://nobody:{'x' * 48}@{guarded.place}"):
        with pytest.raises(nats.errors.Error, match=r"(?i)authorization violation"):
            refusals(url, lambda client: client.flush())


def test_a_worker_with_a_wrong_password_says_so_without_it(guarded: Guarded, copy: Path, tmp_path: Path) -> None:
    log, wrong = tmp_path / "worker.log", "wrong" * 6
    url = guarded.url("worker").replace(guarded.users["worker"].password, wrong)
    with Worker(copy, log, NATS_URL=url) as worker:
        while "the broker refuses" not in log.read_text():
            assert worker.process.poll() is None, log.read_text()
        assert "worker ready" not in log.read_text()
        assert wrong not in log.read_text()


def test_a_question_cannot_name_a_subject_of_ours_for_its_answer(guarded: Guarded) -> None:
    """The broker does not check it: whoever answers must."""
    heard: list[bytes] = []

    async def ask() -> None:
        web = Queue(Settings(nats_url=(guarded.url("web"),)), ["sums"], lambda _: None)
        await web.connect()
        asked: list[str] = []

        def is_over(id: str, _: bytes, __: str) -> bool:
            asked.append(id)
            return True

        await web.answer_workers(is_over)
        before = await web.depth()
        worker = await nats.connect(guarded.url("worker"), inbox_prefix=inbox_of("worker"))
        await worker.publish("cancelled.one", b"", reply="jobs.sums.double")
        heard.append((await worker.request("cancelled.two", b"", timeout=WAIT)).data)
        assert asked == ["one", "two"]
        assert await web.depth() == before
        await worker.close()
        await web.close()

    asyncio.run(asyncio.wait_for(ask(), WAIT))
    assert heard == [b"1"]


def test_the_monitor_hears_how_the_broker_is_and_nobody_else_does(guarded: Guarded) -> None:
    monitor = guarded.users["monitor"]
    assert health.status(guarded.port, monitor, WAIT) == "ok"
    assert not health.in_trouble(guarded.port, monitor, WAIT)
    assert health.status(guarded.port, monitor.with_password("x" * 48), WAIT) is None
    assert health.status(guarded.port, guarded.users["operator"], 0.2) is None


def test_worker_check_works_with_the_account_of_the_operator(guarded: Guarded, copy: Path, tmp_path: Path) -> None:
    worker = {"NATS_URL": guarded.url("worker"), "NATS_PREFIX": CHECK.prefix}
    with Worker(copy, tmp_path / "worker.log", "--lanes", "sums", **worker) as running:
        running.ready()
        done = subprocess.run(
            [sys.executable, "-m", "app", "worker-check", "--task", "double", "--args", '{"number": 2}', "--json"],
            cwd=copy,
            env=environment(NATS_URL=guarded.url("operator"), NATS_PREFIX=CHECK.prefix),
            capture_output=True,
            text=True,
            timeout=WAIT * 3,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('"verdict": "ok"') == 5


@pytest.mark.slow
def test_worker_check_says_why_it_cannot_offer_jobs_in_front_of_people(guarded: Guarded) -> None:
    done = command("worker-check", "--task", "language", NATS_URL=guarded.url("operator"))
    assert done.returncode == 1
    assert "no job can be offered on jobs.ml.language" in done.stderr
    assert "under NATS_PREFIX=check only" in done.stderr


def test_the_operator_brings_streams_up_to_date(guarded: Guarded) -> None:
    async def remove_a_consumer(client: Client) -> None:
        assert await client.jetstream().delete_consumer("JOBS", "heavy")

    url = guarded.url("operator")
    assert command("streams", "apply", NATS_URL=url).returncode == 0
    assert refusals(url, remove_a_consumer) == []
    plan = command("streams", "plan", NATS_URL=url)
    assert plan.returncode == 1
    assert "consumer JOBS/heavy" in plan.stdout
    assert command("streams", "apply", NATS_URL=url).returncode == 0
    assert command("streams", "plan", NATS_URL=url).returncode == 0


def test_creds_with_the_same_rights_do_the_same(tmp_path: Path) -> None:
    """As nsc makes them from what `nats-config --nsc` prints."""
    worker = accounts.worker(Names(), LANES)
    rights = {"pub": {"allow": [*worker.publish]}, "sub": {"allow": [*worker.subscribe]}}
    broker = with_creds(tmp_path, rights)
    try:
        settings = Settings(nats_url=(broker.url,), nats_inbox="_INBOX_worker", **_creds(broker))

        async def act() -> list[str]:
            found: list[str] = []
            queue = Queue(settings, ["sums"], found.append)
            await queue.connect(owns_streams=False)
            await queue.hear_cancelled(lambda _: None)
            assert not found
            queue.publish("jobs.sums.double", b"{}", b"", lambda _: None)
            await queue.close()
            return found

        (said,) = asyncio.run(asyncio.wait_for(act(), WAIT))
        assert "the broker refuses" in said
    finally:
        broker.close()


def _creds(broker: Secured) -> dict[str, Any]:
    return {name.lower(): value for name, value in broker.environment.items()}


# The command


def test_the_command_prints_what_a_server_takes(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-a-file-in-the-safe\n")
    given = ["--password", f"x-operator=file:{tmp_path / 'secret'}", "--callbacks", "answers.>"]
    done = command("nats-config", "--lanes", "ml", "--lanes", "heavy", *given, NATS_PREFIX="x")
    assert done.returncode == 0, done.stderr
    assert "x-operator: NATS_URL=nats://x-operator:from-a-file-in-the-safe@HOST:4222" in done.stdout
    broker = Secured(tmp_path, "nats", done.stdout, {})
    try:
        url = f"nats://x-operator:from-a-file-in-the-safe@{broker.url.removeprefix('nats://')}"
        assert refusals(url, lambda client: client.publish("$JS.API.STREAM.INFO.X_JOBS", b"")) == []
        assert refusals(url, lambda client: client.publish("$JS.API.STREAM.INFO.JOBS", b""))
    finally:
        broker.close()


def test_each_worker_has_the_tasks_of_its_lanes() -> None:
    found = {
        each["user"]: each
        for each in json.loads(command("nats-config", "--lanes", "ml", "--lanes", "heavy", "--json").stdout)
    }
    assert set(found) == {"web", "worker-ml", "worker-heavy", "operator"}
    results = {
        name: {subject for subject in each["publish"] if subject.startswith("results.")} for name, each in found.items()
    }
    heavy = {f"results.{name}" for name, task in discover().items() if task.lane == "heavy"}
    assert {"results.summarize", "results.monochrome"} <= heavy == results["worker-heavy"]
    assert "results.triage" in results["worker-ml"]
    assert not results["worker-ml"] & results["worker-heavy"]
    assert results["web"] == results["operator"] == set()
    assert len({each["password"] for each in found.values()}) == 4
    assert found["worker-ml"]["inbox"] == "_INBOX_worker-ml"
    nsc = command("nats-config", "--nsc").stdout
    assert "nsc add user --name worker --allow-pub-response=1 --response-ttl=60s --allow-pub 'cancelled.*," in nsc


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--lanes", "slow"], "--lanes slow: the tasks here have lanes heavy,llm,ml"),
        (["--password", "web=short"], "--password web=... is not allowed"),
        (["--password", "nobody=0123456789abcdef"], "there is no such account: web, worker, operator are"),
        (["--password", "web=file:/nowhere"], "--password web=file:/nowhere cannot be read"),
        (["--password", "0123456789abcdef"], "expected USER=PASSWORD"),
    ],
)
def test_what_the_command_cannot_do_it_says_in_one_sentence(words: list[str], why: str) -> None:
    done = command("nats-config", *words)
    assert done.returncode == 1
    assert why in done.stderr
    assert "short" not in done.stderr.replace("web=short", "") if "web=short" in words else True
    assert done.stdout == ""


# The settings


@pytest.mark.parametrize(
    ("url", "user"),
    [
        ("nats://web:secret@127.0.0.1:4222", "web"),
        ("nats://token@127.0.0.1:4222", ""),
        ("nats://127.0.0.1:4222", ""),
        ("", ""),
    ],
)
def test_the_user_is_the_one_that_the_address_names(url: str, user: str) -> None:
    settings = from_env({"NATS_URL": url})
    assert settings.broker_user == user
    assert settings.broker in ("127.0.0.1:4222", "nats://127.0.0.1:4222", "")
    assert inbox_of("web") == "_INBOX_web"
    assert inbox_of("") == inbox_of("we.*") == "_INBOX"


def test_no_password_is_in_the_sentence_about_a_wrong_address() -> None:
    with pytest.raises(SettingInvalid) as refused:
        from_env({"NATS_URL": "nats://web:verysecret@h/x"})
    assert "verysecret" not in str(refused.value)
    with pytest.raises(SettingInvalid, match=r"NATS_INBOX='a.>' is not allowed"):
        from_env({"NATS_INBOX": "a.>"})
