"""The pages while something is away: the server, the queue, the models."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import expect

from app.compare.system import System
from app.ports import free_port
from tests.browser.cable import Cable
from tests.browser.conftest import Open, until
from tests.browser.gate import Gate


def test_what_is_written_while_the_server_is_killed_arrives_once(
    opened: Open, system: System, room: str, complaints: list[str]
) -> None:
    ann, ben = opened(system.url).join("Ann", room), opened(system.url).join("Ben", room)
    ann.say("before")
    expect(ben.message("before")).to_be_visible()

    supervisor = psutil.Process(system.process.pid)
    web = next(child for child in supervisor.children() if "wsgi.py" in child.cmdline())
    # The supervisor sleeps meanwhile, so that the gap is wide enough to look at however busy this machine is.
    supervisor.suspend()
    os.kill(web.pid, signal.SIGKILL)
    expect(ann.one("connection", state="online")).to_have_count(0)
    ann.say("while it was away")
    ben.say("so did I")
    expect(ann.one("pending", state="waiting")).to_contain_text("Waiting for the connection")
    expect(ann.one("pending", state="waiting")).to_contain_text("while it was away")
    supervisor.resume()

    for tab in (ann, ben):
        expect(tab.one("connection", state="online")).to_be_visible()
        tab.found("while it was away", "triage", "language", "sentiment")
        tab.found("so did I", "triage", "language", "sentiment")
        expect(tab.one("pending")).to_have_count(0)
        assert tab.seqs() == [1, 2, 3]
    complaints.clear()  # a browser notes each connection that could not be made


@pytest.mark.slow
def test_chips_are_true_after_an_absence(opened: Open, system: System, room: str, complaints: list[str]) -> None:
    cable = Cable()
    ann, ben = opened(system.url), opened(system.url).join("Ben", room)
    ann.page.route_web_socket("**/socket.io/**", cable.plug)
    ann.join("Ann", room)
    worker = next(p for p in psutil.Process(system.process.pid).children() if "app.worker" in p.cmdline())
    system.flag("queued", "sentiment")
    worker.suspend()
    try:
        ben.say("I am so glad that you are here")
        expect(ann.chips("so glad", task="sentiment", path="queued")).to_contain_text("waiting")
        cable.cut()
        expect(ann.one("connection", state="online")).to_have_count(0)
    finally:
        worker.resume()
        system.unset("sentiment")
    ben.found("so glad", "sentiment", path="queued")
    ben.say("and this was said meanwhile")
    ben.found("said meanwhile", "triage")
    expect(ann.message("said meanwhile")).to_have_count(0)

    cable.whole = True
    expect(ann.message("said meanwhile")).to_be_visible()
    ann.found("so glad", "sentiment", path="queued")
    assert ann.seqs() == ben.seqs()
    complaints.clear()  # a browser notes each connection that could not be made


@contextmanager
def broker(port: int, folder: Path) -> Iterator[None]:
    """A nats-server on this port."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    binary = shutil.which("nats-server", path=path)
    assert binary
    process = subprocess.Popen(
        [binary, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder), "-l", str(folder / "log")]
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_pages_say_that_the_queue_is_away_for_as_long_as_it_is(
    opened: Open, parts: None, ml_url: str, room: str, tmp_path: Path, complaints: list[str]
) -> None:
    port = free_port()
    with System(NATS_URL=f"nats://127.0.0.1:{port}", ML_URL=ml_url) as alone:
        ann = opened(alone.url).join("Ann", room)
        operator = opened(alone.url).operator()
        expect(ann.one("queue-away")).to_be_hidden()  # nothing needs it yet
        ann.open_paths()
        ann.path("language").select_option("queued")
        for tab in (ann, operator):
            expect(tab.one("queue-away")).to_be_visible()
            expect(tab.one("queue-away")).to_contain_text("cannot take jobs right now")
        expect(ann.one("panel-mark")).to_be_visible()  # for those who have the panel closed
        expect(operator.one("tile-queue")).to_contain_text("cannot be reached")

        ann.say("Wie komme ich zur Praxis?")
        ann.found("Wie komme ich", "triage", "sentiment")  # the others do not notice
        expect(ann.chips("Wie komme ich", task="language", path="queued")).to_contain_text("waiting")
        with broker(port, tmp_path):
            for tab in (ann, operator):
                expect(tab.one("queue-away")).to_be_hidden()
            ann.found("Wie komme ich", "language", path="queued")
        ann.close()
        operator.close()
    assert all("503" in each for each in complaints)  # a browser notes every answer of /readyz that says so
    complaints.clear()


def test_dead_letters_are_replayed_and_dropped_on_the_operator_page(opened: Open, gate: Gate, room: str) -> None:
    with System(ML_URL=gate.url) as troubled:
        ann = opened(troubled.url).join("Ann", room)
        operator = opened(troubled.url).operator("?view=dead")
        expect(operator.one("dead-letters")).to_contain_text("Nothing was given up")
        ann.say("Nobody can read this")
        expect(ann.one("chip", state="failed")).to_have_count(3)

        letters = operator.one("dead-letters").locator("tbody tr")
        expect(letters).to_have_count(3)
        expect(operator.page.locator("#dead-count")).to_have_text("3")
        expect(letters.first).to_contain_text(room)
        expect(letters.first).to_contain_text("Model refused")

        gate.open = True
        letters.filter(has_text="Triage").get_by_role("button", name="Replay").click()
        expect(letters).to_have_count(2)
        ann.found("Nobody can read this", "triage")

        operator.page.on("dialog", lambda dialog: dialog.accept())
        letters.filter(has_text="Sentiment").get_by_role("button", name="Drop").click()
        expect(letters).to_have_count(1)
        expect(letters).to_contain_text("Language")
        expect(ann.chips("Nobody can read this", task="sentiment")).to_have_attribute("data-state", "failed")
        ann.close()
        operator.close()


@pytest.mark.slow
def test_the_operator_page_shows_jobs_and_moves_flags(opened: Open, system: System, room: str) -> None:
    ann = opened(system.url).join("Ann", room)
    operator = opened(system.url).operator()
    ann.say("Something for the chart")
    ann.found("Something for the chart", "triage")
    mine = operator.one("recent").locator("tbody tr").filter(has_text=room)
    expect(mine.filter(has_text="done")).to_have_count(3)  # as many tasks as run on every message
    expect(operator.one("chart").locator("rect.simple").last).to_be_visible()
    expect(operator.one("tasks")).to_contain_text("Triage")
    expect(operator.one("tile-clients")).to_contain_text("1")

    operator.path("summarize").select_option("queued")
    expect(ann.path("summarize")).to_have_value("queued")
    until(lambda: "queued" in urllib.request.urlopen(f"{system.url}/api/flags").read().decode(), "the flag is stored")
    operator.one("flag-row", task="summarize").get_by_role("button").click()
    expect(ann.path("summarize")).to_have_value("simple")
