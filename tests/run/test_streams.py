"""Logging never blocks, never raises, and ends no process: what cannot be written is counted."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import psutil
import pytest
import requests

from app import logs
from app.compare.system import ROOT
from app.ports import free_port
from app.streams import MAX_WAITING, LineStream
from tests.guest import WAIT, Guest
from tests.run.test_supervisor import PARTS, in_session, until
from tests.web import environment


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe to read from and to write to."""
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            pass  # the test closed it


def read_until(reading: int, enough: Callable[[str], object]) -> str:
    """What comes through the pipe, until that is enough."""
    text = ""
    while not enough(text):
        text += os.read(reading, 65536).decode()
    return text


def test_lines_arrive_whole_and_in_order(pipe: tuple[int, int]) -> None:
    stream = LineStream(pipe[1])
    for number in range(100):
        print("line", number, file=stream, flush=True)
    assert read_until(pipe[0], lambda text: text.endswith("line 99\n")).splitlines() == [
        f"line {number}" for number in range(100)
    ]
    assert stream.dropped == 0


def test_bytes_are_refused_and_text_still_arrives(pipe: tuple[int, int]) -> None:
    stream = LineStream(pipe[1])
    with pytest.raises(TypeError):
        stream.write(b"bytes")  # type: ignore[arg-type]  # on purpose
    print("text", file=stream)
    assert read_until(pipe[0], lambda text: text.endswith("\n")) == "text\n"


def test_a_reader_that_stopped_reading_holds_nobody_up_and_is_told_how_much_it_missed(pipe: tuple[int, int]) -> None:
    stream, line = LineStream(pipe[1]), "x" * 1000
    offered = MAX_WAITING + 1000
    for _ in range(offered):  # returns although nobody reads
        stream.write(f"{line}\n")
    dropped = stream.dropped
    assert dropped > 0
    text = read_until(pipe[0], lambda text: text.count(line) == offered - dropped)
    print("the next", file=stream)
    text += read_until(pipe[0], lambda text: "the next\n" in text)
    told = re.findall(r"(\d+) log lines? could not be written and (?:were|was) dropped", text)
    assert sum(map(int, told)) == dropped  # in one line or two: it may have dropped some before the pipe was full


def test_dropped_lines_are_reported_as_json_where_lines_are_json(pipe: tuple[int, int]) -> None:
    stream = LineStream(pipe[1])
    stream.in_words = logs._dropped_as_json
    for _ in range(MAX_WAITING * 2):
        stream.write("{}" + " " * 200 + "\n")
    dropped = stream.dropped
    text = read_until(pipe[0], lambda text: text.count("{}") == MAX_WAITING * 2 - dropped)
    print("{}", file=stream)
    text += read_until(pipe[0], lambda text: text.count("{}") == 1)
    told = [line for line in map(json.loads, text.splitlines()) if line]
    assert sum(line["lines"] for line in told) == dropped
    assert {line["level"] for line in told} == {"warning"}


@pytest.mark.parametrize("broken", ["nobody reads", "the disk is full", "non-blocking, and nobody reads"])
def test_a_line_that_cannot_be_written_is_counted(pipe: tuple[int, int], broken: str) -> None:
    if broken == "the disk is full":
        stream = LineStream(os.open("/dev/full", os.O_WRONLY))
    else:
        os.set_blocking(pipe[1], not broken.startswith("non-blocking"))
        stream = LineStream(pipe[1])
        os.close(pipe[0])
    for _ in range(10):
        print("a line", file=stream)
    assert stream.flush_within(WAIT)
    assert stream.dropped == 10


class Harassed:
    """A process of ours whose output is a pipe that may be closed, or never read."""

    def __init__(self, command: list[str], ready: str, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment(PORT=str(self.port), **settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout
        self.output = self.process.stdout
        while not (line := self.output.readline()).startswith(ready):
            assert line, "it ended"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.output.closed:
            self.output.close()
        self.process.terminate()
        try:
            assert self.process.wait(WAIT) == 0
        finally:
            for process in in_session(self.process.pid):
                process.kill()

    def dropped(self) -> int:
        """As /metrics counts."""
        text = requests.get(f"{self.url}/metrics", timeout=WAIT).text
        found = re.search(r"^spillway_log_lines_dropped_total (\d+)", text, re.MULTILINE)
        assert found
        return int(found[1])


@pytest.mark.parametrize("mode", ["eventlet", pytest.param("threading", marks=pytest.mark.slow)])
@pytest.mark.parametrize("reader", ["gone", "stopped"])
def test_clients_are_answered_whatever_becomes_of_the_log(
    tmp_path: Path, guests: Callable[..., Guest], mode: str, reader: str
) -> None:
    web = Harassed(["wsgi.py"], "web ready", DATA_DIR=str(tmp_path), ASYNC_MODE=mode, RATE_LIMIT="off")
    with web:
        if reader == "gone":
            web.output.close()
        ann = guests(web.url, "Ann")
        ann.join("lobby")
        while not web.dropped():
            for _ in range(500):  # each leaves a line in the log, as any client can cause it
                assert ann.refused("room:join", {"room": "no room"})["code"] == "bad_request"
        assert ann.say("lobby", "Still here")["seq"] == 1


@pytest.mark.slow
def test_a_whole_system_runs_on_when_nobody_reads_its_log_any_more(
    parts: None, tmp_path: Path, guests: Callable[..., Guest]
) -> None:
    """As `make run | head` leaves it."""
    with Harassed(["-m", "app.run"], "ready ", DATA_DIR=str(tmp_path)) as system:
        system.output.close()
        before = {name: found[0] for name in PARTS if (found := running(system, name))}
        assert set(before) == set(PARTS)
        for name, pid in before.items():
            os.kill(pid, 9)
            until(lambda name=name, pid=pid: set(running(system, name)) - {pid}, f"{name} is not started again")  # type: ignore[misc]
        until(lambda: answers(system.url), "the web process does not come back")
        ann = guests(system.url, "Ann")
        ann.join("lobby")
        assert ann.final(ann.ask("lobby", "language", text="Guten Morgen")["id"])["state"] == "succeeded"
        assert system.process.poll() is None


def running(system: Harassed, name: str) -> list[int]:
    """The processes of a part."""
    words = {each.pid: command(each) for each in in_session(system.process.pid)}
    return [pid for pid, said in words.items() if PARTS[name] in said and "child.py" not in said]


def command(process: psutil.Process) -> str:
    """How it was started; empty when it has ended."""
    try:
        return " ".join(process.cmdline())[:2000]
    except psutil.Error:
        return ""


def answers(url: str) -> bool:
    """Whether the web process does."""
    try:
        return requests.get(f"{url}/livez", timeout=WAIT).status_code == 200
    except requests.ConnectionError:
        return False
