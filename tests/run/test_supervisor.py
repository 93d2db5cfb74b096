"""`make run`: every part is watched, and all of it stops in order."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
import requests

from app.compare.system import ROOT, System
from app.ports import free_port
from tests.faults.parts import fill, small_disk
from tests.guest import WAIT, Guest
from tests.web import Web, ended, environment

PARTS = {
    "web process": "wsgi.py",
    "worker": "app.worker",
    "model server": "ml_clients.embedded",
    "broker": "nats-server",
}


def in_session(leader: int) -> list[psutil.Process]:
    """Every living process of a session."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    return found


def part(system: System, name: str) -> psutil.Process | None:
    """The process of a part."""
    for process in in_session(system.process.pid):
        try:
            if PARTS[name] in " ".join(process.cmdline()):
                return process
        except psutil.NoSuchProcess:
            continue
    return None


def until(true: Callable[[], object], what: str) -> None:
    """Wait for it."""
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.fixture(scope="module")
def own(parts: None) -> Iterator[System]:
    """A system of this module's own, for it is not treated well here."""
    with System(RATE_LIMIT="off", DRAIN_SECONDS="5", ACK_WAIT="2", NICENESS="7") as system:
        system.flag("queued")
        yield system


def works(system: System) -> None:
    """Chat with queued models works, as soon as everything is back."""

    def ready() -> bool:
        try:
            return requests.get(f"{system.url}/readyz", timeout=WAIT).status_code == 200
        except requests.ConnectionError:
            return False

    until(ready, "it does not get ready again")
    guest = Guest(system.url, "Ann")
    guest.join("lobby")
    job = guest.ask("lobby", "language", text="Guten Morgen")
    assert guest.final(job["id"])["result"]["language"] == "de"
    guest.close()


@pytest.mark.slow
def test_a_default_path_can_be_the_queue_that_is_started_with_it(parts: None, guests: Callable[..., Guest]) -> None:
    with System(DEFAULT_PATH="queued") as system:
        guest = guests(system.url)
        guest.join("lobby")
        job = guest.ask("lobby", "language", text="Guten Morgen")
        assert (job["path"], guest.final(job["id"])["path"]) == ("queued", "queued")


def test_without_a_queue_there_are_web_process_and_model_server_alone(
    parts: None, guests: Callable[..., Guest]
) -> None:
    with System(queue=False) as system:
        assert set(system.parts()) == {"web process", "model server"}
        answer = requests.put(f"{system.url}/api/flags/*", json={"path": "queued"}, timeout=WAIT)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
        guest = guests(system.url)
        guest.join("lobby")
        assert guest.final(guest.ask("lobby", "language", text="Guten Morgen")["id"])["result"]["language"] == "de"


def test_ready_is_said_once_everything_answers(parts: None, tmp_path: Path) -> None:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "app.run"],
        cwd=ROOT,
        env=environment(PORT=str(port), DATA_DIR=str(tmp_path), DEFAULT_PATH="auto"),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        lines: list[str] = []
        while not (line := process.stdout.readline()).startswith("ready "):
            assert line, lines
            lines.append(line.strip())
        assert line == f"ready http://127.0.0.1:{port}\n"
        assert requests.get(f"http://127.0.0.1:{port}/livez", timeout=WAIT).json() == {"ok": True}
        (model,) = (each.split()[-1] for each in lines if each.startswith("model server ready"))
        assert requests.get(f"{model}/livez", timeout=WAIT).status_code == 200
        assert [each for each in lines if each.startswith("starting")] == [
            "starting broker",
            "starting model server",
            "starting worker",
            "starting web process",
        ]
        process.terminate()
        assert process.wait(WAIT) == 0
        assert in_session(process.pid) == []


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_dies_is_named_and_started_again(own: System, name: str) -> None:
    works(own)
    before = part(own, name)
    assert before
    mark = len(own.log.read_text())
    before.kill()
    until(lambda: (now := part(own, name)) and now.pid != before.pid, f"the {name} is not started again")
    works(own)
    assert f"{name} died (exit code -9): restarting it" in own.log.read_text()[mark:]
    assert own.process.poll() is None


LESS_USUAL = [pytest.param(sign, marks=pytest.mark.slow) for sign in (signal.SIGINT, signal.SIGHUP)]


@pytest.mark.parametrize("sign", [signal.SIGTERM, *LESS_USUAL])
def test_stopping_leaves_nothing_behind(parts: None, sign: signal.Signals) -> None:
    with System() as system:
        works(system)
        leader = system.process.pid
        assert len(in_session(leader)) == 5
        os.killpg(leader, sign)  # as Ctrl-C does: to the whole foreground group
        assert system.process.wait(WAIT) == 0
        assert in_session(leader) == []
        log = system.log.read_text()
        assert "Traceback" not in log
        assert "killed" not in log


def test_worker_and_model_server_stand_back_as_far_as_they_are_told(own: System) -> None:
    works(own)
    stand_back(own, 7, os.SCHED_OTHER)


@pytest.mark.slow
@pytest.mark.parametrize(("niceness", "nice", "policy"), [("idle", 10, os.SCHED_IDLE), ("0", 0, os.SCHED_OTHER)])
def test_they_stand_back_for_everybody_or_for_nobody(parts: None, niceness: str, nice: int, policy: int) -> None:
    with System(NICENESS=niceness) as system:
        stand_back(system, nice, policy)


def stand_back(system: System, nice: int, policy: int) -> None:
    """See that worker and model server have this priority, and the web process ours."""
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    for name in ("worker", "model server"):
        pid = system.parts()[name].pid
        until(partial(_has_priority, pid, max(nice, ours)), f"{name} has another priority")
        assert os.sched_getscheduler(pid) == policy
    assert os.getpriority(os.PRIO_PROCESS, system.parts()["web process"].pid) == ours


def _has_priority(pid: int, niceness: int) -> bool:
    return os.getpriority(os.PRIO_PROCESS, pid) == niceness


@pytest.mark.slow
def test_parts_die_with_a_supervisor_that_is_killed_and_the_next_one_starts_at_once(parts: None) -> None:
    with System() as system:
        works(system)
        leader = system.process.pid
        assert len(in_session(leader)) == 5
        system.process.kill()
        system.process.wait(WAIT)
        until(lambda: not in_session(leader), "parts outlive their supervisor")
        system.start()
        works(system)


def test_each_part_has_a_user_of_its_own_on_the_broker(own: System) -> None:
    works(own)
    config, url, of_worker = (own.data / "nats" / name for name in ("nats.conf", "url", "worker-url"))
    passwords = dict(re.findall(r'user: "(\w+)", password: "(\w+)"', config.read_text()))
    assert set(passwords) == {"web", "worker", "operator", "monitor"}
    assert len(set(passwords.values())) == 4
    assert [path.stat().st_mode & 0o077 for path in (config, url, of_worker)] == [0, 0, 0]
    place = url.read_text().partition("@")[2]
    assert url.read_text() == f"nats://operator:{passwords['operator']}@{place}"
    assert of_worker.read_text() == f"nats://worker:{passwords['worker']}@{place}"
    for name, user in (("web process", "web"), ("worker", "worker")):
        process = part(own, name)
        assert process
        assert process.environ()["NATS_URL"] == f"nats://{user}:{passwords[user]}@{place}"
    broker = part(own, "broker")
    assert broker
    listening = [each.laddr for each in broker.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    assert [f"{each.ip}:{each.port}" for each in listening] == [
        place
    ]  # and no monitoring port, which knows no passwords
    for process in in_session(own.process.pid):
        assert not [word for word in passwords.values() if word in " ".join(process.cmdline())]


def test_a_second_start_on_the_same_data_says_so_before_it_touches_anything(parts: None, own: System) -> None:
    works(own)
    kept = {path: path.stat().st_mtime_ns for path in own.data.rglob("*.conf")}
    done = start(DATA_DIR=str(own.data), PORT=str(free_port()))
    assert done.returncode == 2
    assert done.stderr == (
        f"DATA_DIR={own.data} is used by another make run (process {own.process.pid}):"
        " stop it, or set another DATA_DIR\n"
    )
    assert done.stdout == ""
    assert {path: path.stat().st_mtime_ns for path in own.data.rglob("*.conf")} == kept
    works(own)


def test_a_start_beside_a_lone_web_process_on_the_same_data_says_so(tmp_path: Path) -> None:
    with Web(tmp_path):
        done = start(DATA_DIR=str(tmp_path), PORT=str(free_port()))
        assert (done.returncode, done.stdout) == (2, "")
        assert "a web process that was started by itself uses the database" in done.stderr
        assert not (tmp_path / "nats").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_start_on_a_full_disk_ends_with_a_sentence(parts: None, tmp_path: Path) -> None:
    with small_disk(tmp_path, 8) as data:
        fill(data)
        done = start(DATA_DIR=str(data), PORT=str(free_port()))
    assert done.returncode in (1, 2)
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_part_that_was_told_to_stop_is_not_called_dead(own: System) -> None:
    works(own)
    mark = len(own.log.read_text())
    before = part(own, "web process")
    assert before
    before.terminate()
    until(lambda: (now := part(own, "web process")) and now.pid != before.pid, "it is not started again")
    works(own)
    assert "web process was stopped (exit code 0): restarting it" in own.log.read_text()[mark:]


@pytest.mark.slow
def test_ready_is_not_said_when_somebody_else_answers_at_the_port(parts: None, tmp_path: Path) -> None:
    with Web(tmp_path / "other") as web:
        done = start(DATA_DIR=str(tmp_path / "own"), PORT=web.url.rsplit(":", 1)[1])
    assert done.returncode == 1
    assert "ready http://127.0.0.1" not in done.stdout.replace("server ready", "")
    assert "cannot be listened on" in done.stderr
    assert "web process cannot start" in done.stderr


def start(**settings: str) -> subprocess.CompletedProcess[str]:
    """`python -m app.run` that is expected to end by itself."""
    return ended(["-m", "app.run"], settings)


@pytest.mark.slow
def test_stopping_lets_running_jobs_finish_and_keeps_what_was_promised(parts: None) -> None:
    with System(MAX_INFLIGHT="2") as system:
        ann = Guest(system.url, "Ann")
        ann.join("lobby")
        seqs = [ann.say("lobby", f"Line {number}")["seq"] for number in range(40)]
        system.process.terminate()
        assert system.process.wait(WAIT) == 0
        ann.saw("server:draining")
        ann.close()
        system.start()
        ben = Guest(system.url, "Ben")
        joined = ben.join("lobby", after=0)
        assert [m["seq"] for m in joined["messages"]][: len(seqs)] == seqs
        for job in joined["jobs"]:
            if job["state"] != "succeeded":
                assert ben.final(job["id"])["state"] == "succeeded"
        ben.close()


DOOMED = """
import sys
from app.run import Part, PartsFailed, Supervisor
try:
    Supervisor([
        Part("broker", [sys.executable, "-c", "import time; time.sleep(600)"], lambda: True, 1.0),
        Part("worker", [sys.executable, "-c", "raise SystemExit(CODE)"], lambda: True, 1.0),
    ]).run("http://nowhere")
except PartsFailed as error:
    print(error, flush=True)
    sys.exit(1)
"""


@pytest.mark.parametrize(
    ("code", "words", "starts"), [("3", "worker died 5 times within 30 s", 4), ("2", "cannot start", 0)]
)
def test_a_part_that_cannot_be_kept_alive_ends_the_whole(code: str, words: str, starts: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DOOMED.replace("CODE", code)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        output, _ = process.communicate(timeout=WAIT)
        assert process.returncode == 1
        assert words in output.splitlines()[-1]
        assert output.count("restarting it") == starts
        assert in_session(process.pid) == []


@pytest.mark.parametrize(
    "command", [["-m", "app.run"], ["wsgi.py"], ["-m", "app.worker"], ["-m", "app", "flags", "ls"]]
)
def test_a_wrong_setting_ends_the_start_with_one_sentence(command: list[str]) -> None:
    done = ended(command, {"PORT": "http"})
    assert done.returncode == (2 if command[-1] in ("app.run", "wsgi.py") else 1)
    (sentence,) = done.stderr.splitlines()
    assert re.search(r"PORT='http' is not allowed: a whole number from 0 to 65535 is", sentence)
    assert done.stdout == ""
