"""The synthetic model server: answers our clients accept, after times and with failures that a seed repeats."""

from __future__ import annotations

import json
import signal
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import pytest
import urllib3
from PIL import Image

import ml_clients
from ml_clients import language, picture, sentiment, summary, triage
from ml_clients.synthetic.behaviour import MODELS, Behaviour, Times
from ml_clients.transport import DEFAULT_URL
from tests.ml_clients.conftest import ROOT

http = urllib3.PoolManager(retries=False)
WAIT = 60


def command(*options: str) -> list[str]:
    """The command as it is typed."""
    return [sys.executable, "-m", "ml_clients.synthetic", *options]


@contextmanager
def running(**times: dict[str, float]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A real synthetic server that the clients talk to."""
    server = subprocess.Popen(
        command("--port", "0", "--times", json.dumps(times)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout
    ready = server.stdout.readline()
    assert ready.startswith("model server ready http://127.0.0.1:"), server.stderr and server.stderr.read()
    url = ready.split()[3]
    ml_clients.configure(url)
    try:
        yield url, server
    finally:
        ml_clients.configure(DEFAULT_URL)
        if server.poll() is None:
            server.kill()
        server.communicate()


def refused(*options: str) -> tuple[int, str]:
    """How it ends when it cannot start, and what it says."""
    done = subprocess.run(
        command(*options), cwd=ROOT, capture_output=True, text=True, timeout=WAIT, check=False
    )  # one sentence, no traceback
    assert done.stderr.count("\n") == 1, done.stderr
    return done.returncode, done.stderr


def drawn(seed: int, times: Times, count: int = 2000) -> list[tuple[float, bool]]:
    """What so many triage requests would meet."""
    behaviour = Behaviour({"triage": times}, seed)
    return [behaviour.next("triage") for _ in range(count)]


def test_every_client_accepts_its_answers() -> None:
    image = BytesIO()
    Image.new("RGB", (4, 4), "red").save(image, "PNG")
    with running(**{model: {"median_ms": 1.0} for model in MODELS}):
        assert triage.classify("I cannot breathe")["urgency"] in ("emergency", "urgent", "routine", "none")
        assert language.detect("Guten Morgen")["language"] == "en"
        assert sentiment.score("wonderful")["label"] in ("positive", "neutral", "negative")
        assert summary.summarize([{"sender": "Ann", "text": "Hello"}])["lines"]
        Image.open(BytesIO(picture.monochrome(image.getvalue()))).load()


def test_a_model_that_always_fails_answers_503_and_the_others_do_not() -> None:
    with running(triage={"median_ms": 0, "failures": 1}) as (url, _):
        answer = http.request("POST", f"{url}/v1/triage", body=b'{"text": "hi"}')
        assert answer.status == 503
        assert answer.json()["error"]["code"] == "synthetic"
        with pytest.raises(ml_clients.ModelUnavailable):
            triage.classify("hi")
        assert language.detect("hi")


def test_an_answer_takes_at_least_its_time() -> None:
    with (
        running(triage={"median_ms": 3000, "sigma": 0}),
        ml_clients.within(1.0),
        pytest.raises(ml_clients.ModelTimeout),
    ):
        triage.classify("hi")


def test_livez_answers_and_what_is_not_there_is_404() -> None:
    with running() as (url, _):
        assert http.request("GET", f"{url}/livez").status == 200
        assert http.request("POST", f"{url}/v1/nothing", body=b"{}").status == 404


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_without_a_word_also_when_somebody_waits_for_an_answer(stop: signal.Signals) -> None:
    with running(triage={"median_ms": 600_000, "sigma": 0}) as (url, server):
        waiting = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
        waiting.sendall(b"POST /v1/triage HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n{}")
        assert http.request("GET", f"{url}/livez").status == 200  # it has read on since
        server.send_signal(stop)
        out, err = server.communicate(timeout=WAIT)
        waiting.close()
    assert (server.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ("hello", "--times: "),
        ("[]", "--times: "),
        ('{"triage": {"median_ms": -1}}', "median_ms"),
        ('{"triage": {"median_ms": NaN}}', "median_ms"),
        ('{"triage": {"median_ms": 1, "failures": 2}}', "failures"),
        ('{"triage": {"median_ms": 1, "mean": 2}}', "mean"),
        ('{"nothing": {"median_ms": 1}}', "there is no model nothing"),
    ],
)
def test_wrong_times_are_exit_2_and_one_sentence(times: str, words: str) -> None:
    code, said = refused("--port", "0", "--times", times)
    assert code == 2
    assert said.startswith("--times: ")
    assert words in said


def test_a_port_that_is_taken_or_none_is_exit_1_and_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = refused("--port", str(taken.getsockname()[1]))
    assert code == 1
    assert said.startswith("model server cannot start: ")
    assert refused("--port", "99999")[0] == 1


def test_the_same_seed_gives_the_same_times_and_another_one_others() -> None:
    times = Times(20.0, 0.5, 0.3)
    assert drawn(1, times) == drawn(1, times)
    assert drawn(1, times) != drawn(2, times)


def test_each_model_has_a_sequence_of_its_own() -> None:
    alone, beside = Behaviour({}, 1), Behaviour({}, 1)
    beside.next("language")
    assert [alone.next("triage") for _ in range(9)] == [beside.next("triage") for _ in range(9)]


def test_times_and_failures_are_as_they_were_set() -> None:
    met = drawn(3, Times(20.0, 0.5, 0.3))
    waits = sorted(wait for wait, _ in met)
    assert 0.018 < statistics.median(waits) < 0.022
    assert 1.4 < waits[1682] / waits[1000] < 1.9  # one sigma above the median is a factor of e ** 0.5
    assert 500 < sum(fails for _, fails in met) < 700
    assert {wait for wait, _ in drawn(3, Times(20.0, 0.0))} == {0.02}
