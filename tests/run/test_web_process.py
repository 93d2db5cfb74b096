"""The web process alone: one owner for its data, and a sentence when it cannot start."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from app.compare.system import ROOT
from app.ports import free_port
from tests.guest import WAIT, Guest, Raw
from tests.run.test_supervisor import until
from tests.web import Web, ended, environment


def start(**settings: str) -> subprocess.CompletedProcess[str]:
    """`python wsgi.py` that is expected to end by itself."""
    return ended(["wsgi.py"], settings)


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What it said before it ended."""
    assert done.returncode == 2, done.stderr
    (sentence,) = done.stderr.splitlines()
    return sentence


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web process that was there before."""
    with Web(tmp_path_factory.mktemp("first")) as web:
        yield web


def test_a_second_web_process_on_the_same_data_refuses_with_a_sentence(first: Web) -> None:
    sentence = one_sentence(start(PORT=str(free_port()), DATA_DIR=str(first.log.parent)))
    assert "another web process uses" in sentence
    assert "DATA_DIR" in sentence
    assert requests.get(f"{first.url}/livez", timeout=WAIT).status_code == 200


def test_what_only_clients_need_is_not_loaded(first: Web) -> None:
    loaded = " ".join(each.path for each in psutil.Process(first.process.pid).memory_maps())
    assert "/msgspec/" in loaded
    assert "/aiohttp/" not in loaded
    assert "/charset_normalizer/" not in loaded  # of requests


def test_a_port_that_is_taken_is_named(first: Web, tmp_path: Path) -> None:
    port = first.url.rsplit(":", 1)[1]
    assert f"PORT={port}" in one_sentence(start(PORT=port, DATA_DIR=str(tmp_path)))


@pytest.mark.parametrize("mode", ["eventlet", pytest.param("threading", marks=pytest.mark.slow)])
def test_it_stops_promptly_and_is_a_reconnect_to_clients(tmp_path: Path, mode: str) -> None:
    web = Web(tmp_path, ASYNC_MODE=mode)
    with web:
        ann = Guest(web.url, "Ann")
        ann.join("lobby")
        ann.say("lobby", "Before")
        assert web.stop() == 0
        ann.saw("server:draining")
        ann.close()
        web.start()
        ben = Guest(web.url, "Ben")
        assert [m["text"] for m in ben.join("lobby")["messages"]] == ["Before"]
        assert ben.say("lobby", "After")["seq"] == 2
        ben.close()
    assert "Traceback" not in web.log.read_text()


@pytest.mark.slow
def test_too_many_events_are_refused_for_a_while(tmp_path: Path) -> None:
    with Web(tmp_path, RATE_LIMIT="5") as web:
        ann = Guest(web.url, "Ann")
        acks = [ann.call("room:join", {"room": "lobby"}) for _ in range(40)]
        codes = {ack["error"]["code"] for ack in acks if not ack["ok"]}
        assert codes == {"rate_limited"}
        assert sum(ack["ok"] for ack in acks) >= 10
        assert all(ack["error"]["retry_after"] > 0 for ack in acks if not ack["ok"])
        ann.close()


def test_past_max_clients_nobody_is_let_in(tmp_path: Path) -> None:
    with Web(tmp_path, MAX_CLIENTS="2") as web:
        seated = [Raw(web.url), Raw(web.url)]
        late = Raw(web.url)
        assert late.answer.startswith("44{")
        assert '"busy"' in late.answer
        for each in [*seated, late]:
            each.close()


@pytest.mark.slow
def test_past_max_backlog_jobs_are_refused_or_skipped_and_chat_goes_on(tmp_path: Path) -> None:
    """The model server takes calls and never answers, so that nothing runs out of the way."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        models = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Web(tmp_path, MAX_BACKLOG="3", MAX_INFLIGHT="1", ML_URL=models, RATE_LIMIT="off") as web:
            ann = Guest(web.url, "Ann")
            ann.join("lobby")
            for number in range(30):
                ann.say("lobby", f"Line {number}")
            assert ann.saw("job:update", state="skipped")["message"] >= 1
            ann.close()


@pytest.fixture
def with_a_terminal() -> Iterator[None]:
    """What is started hears SIGHUP, also where the tests themselves were started by nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("with_a_terminal")
@pytest.mark.parametrize("mode", ["eventlet", pytest.param("threading", marks=pytest.mark.slow)])
def test_a_closed_terminal_stops_it_in_order_unless_nohup_keeps_it(tmp_path: Path, mode: str) -> None:
    with Web(tmp_path / "closed", ASYNC_MODE=mode) as web:
        web.process.send_signal(signal.SIGHUP)
        assert web.process.wait(WAIT) == 0
    ready = tmp_path / "ready"
    with subprocess.Popen(
        ["nohup", sys.executable, "wsgi.py", "--ready-file", str(ready)],
        cwd=ROOT,
        env=environment(PORT=str(free_port()), DATA_DIR=str(tmp_path / "kept"), ASYNC_MODE=mode),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as kept:
        until(lambda: ready.exists() and ready.read_text(), "it is not ready")
        assert ready.read_text() == f"{kept.pid}\n"
        kept.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            kept.wait(0.5)
        kept.terminate()
        assert kept.wait(WAIT) == 0
