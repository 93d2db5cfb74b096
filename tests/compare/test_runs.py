"""Runs of real systems: all that was due is in them, a slow system does not slow its load, a killed one is found out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import msgspec
import psutil
import pytest

from app import tasks as declared
from app.compare import report as reports
from app.compare import run as running
from app.compare.run import Experiment, OnProgress, Plan, measure
from app.compare.samples import FINAL, Run
from app.compare.system import RunFailed
from app.compare.workload import Arrival, Workload, arrivals, with_python_tasks
from tests.compare import samples

pytestmark = pytest.mark.slow
SEED = 7
LOAD = {
    "name": "small",
    "about": "a few rooms for a few seconds",
    "seconds": 2.0,
    "rate": 20.0,
    "rooms": 4,
    "requests": {"summarize": 0.2, "monochrome": 0.1},
    "models": "synthetic",
    "times": {"triage": {"median_ms": 10}},
}
STALL = 1.5  # seconds


def experiment(**changed: object) -> Experiment:
    """A comparison of this small load."""
    workload = msgspec.convert({**LOAD, **changed}, Workload)
    return Experiment(workload, Path(), with_python_tasks(workload, declared.discover()), SEED, workload.models)


def made(plan: Plan, of: Experiment, on_progress: OnProgress = lambda sent, final, expected: None) -> Run:
    """A real run."""
    return asyncio.run(measure(plan, of, on_progress))


def schedule(of: Experiment) -> list[Arrival]:
    """What is due in the first repeat."""
    return arrivals(of.workload, of.folder, 1.0, SEED + 1)


def processes(word: str) -> set[psutil.Process]:
    """Processes below this one with a word in their command lines."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        try:
            if word in " ".join(child.cmdline()):
                found.add(child)
        except psutil.NoSuchProcess:
            continue
    return found


def once(word: str, harm: Callable[[psutil.Process], None]) -> OnProgress:
    """Do harm to the process of the run that is to begin, once its load is under way."""
    others, done = processes(word), [False]

    def on_progress(sent: int, final: int, expected: int) -> None:
        if sent >= 10 and not done[0]:
            done[0] = True
            harm((processes(word) - others).pop())

    return on_progress


@pytest.fixture(scope="module")
def runs(parts: None) -> Callable[[str], Run]:
    """A run of each variant, made when somebody first asks for it."""
    there: dict[str, Run] = {}
    return lambda variant: there.setdefault(variant, there.get(variant) or made(Plan(variant, 1), experiment()))


@pytest.mark.parametrize("variant", ["simple", "queued", "plain"])
def test_all_that_was_due_is_acknowledged_and_every_job_ends(runs: Callable[[str], Run], variant: str) -> None:
    due, run = schedule(experiment()), runs(variant)
    assert sorted(ack.asked for ack in run.acks if not ack.task) == [each.at for each in due]
    assert Counter(ack.task for ack in run.acks if ack.task) == Counter(task for each in due for task in each.asks)
    assert {ack.code for ack in run.acks} == {"ok"}
    jobs = Counter(job.task for job in run.jobs)
    assert jobs["triage"] == jobs["language"] == jobs["sentiment"] == len(due)
    assert all(jobs[task] == sum(each.asks.count(task) for each in due) for task in ("summarize", "monochrome"))
    assert {job.state for job in run.jobs} == {"succeeded"}
    assert (run.lost, run.doubled) == (0, 0), run.findings
    assert variant == "plain" or run.disordered == 0, run.findings  # plain shows answers in any order, and says so
    assert run.drained is not None


@pytest.mark.parametrize("variant", ["simple", "queued", "plain"])
def test_times_of_a_job_are_in_the_order_in_which_things_happen(runs: Callable[[str], Run], variant: str) -> None:
    for job in runs(variant).jobs:
        assert job.final is not None
        assert job.started is not None
        assert job.asked <= job.final
        assert job.started <= job.final
    assert all(ack.sent is not None and ack.asked <= ack.sent <= (ack.acked or 0) for ack in runs(variant).acks)


def test_each_variant_runs_its_own_parts_and_no_other(runs: Callable[[str], Run]) -> None:
    assert {use.part for use in runs("simple").uses} == {"web process", "model server"}
    assert {use.part for use in runs("plain").uses} == {"web process", "model server"}
    assert {use.part for use in runs("queued").uses} == {"web process", "model server", "worker", "broker"}
    assert {job.path for job in runs("queued").jobs} == {"queued"}
    assert {job.path for job in runs("simple").jobs} == {"simple"}


def test_what_a_part_used_up_only_grows(runs: Callable[[str], Run]) -> None:
    for part in ("web process", "worker", "broker", "model server"):
        used = [use for use in runs("queued").uses if use.part == part]
        assert [use.cpu for use in used] == sorted(use.cpu for use in used)
        assert [use.at for use in used] == sorted(use.at for use in used)
        assert all(use.mb > 1 for use in used)


def test_the_report_adds_up_and_follows_from_its_samples(runs: Callable[[str], Run], tmp_path: Path) -> None:
    measured = [runs(variant) for variant in ("simple", "queued", "plain")]
    _, path = reports.write(samples.report(measured), tmp_path)
    read = reports.read(path)
    concluded = reports.conclude(read)
    assert msgspec.to_builtins(concluded.figures) == read.figures
    for run in read.runs:
        figures = concluded.figures[run.variant]
        assert sum(figures.states.values()) == figures.offered == len(run.jobs)
        assert figures.ack.n == sum(not ack.task for ack in run.acks)
        assert figures.ack.p50.value is not None


def test_a_task_that_the_workload_brings_runs_on_both_paths(parts: None) -> None:
    of = experiment(requests={"crunch": 0.5}, python_ms={"crunch": 20})
    for variant in ("simple", "queued"):
        run = made(Plan(variant, 1), of)
        crunched = [job for job in run.jobs if job.task == "crunch"]
        assert len(crunched) == sum(each.asks.count("crunch") for each in schedule(of))
        assert {job.state for job in crunched} == {"succeeded"}
        assert all(job.run is not None and job.run >= 20 for job in crunched)


def test_a_stalled_system_does_not_slow_its_load(parts: None) -> None:
    """No coordinated omission: what is due meanwhile is sent meanwhile, and its time counts from when it was due."""

    def stall(web: psutil.Process) -> None:
        web.suspend()
        asyncio.get_running_loop().call_later(STALL, web.resume)

    of = experiment(seconds=4.0, rate=40.0, requests={})
    run = made(Plan("simple", 1), of, once("wsgi.py", stall))
    assert sorted(ack.asked for ack in run.acks) == [each.at for each in schedule(of)]
    came = sorted(ack.acked for ack in run.acks if ack.acked is not None)
    # What the writers saw of the stall: the longest time in which nobody heard anything.
    begin, end = max(pairwise(came), key=lambda pair: pair[1] - pair[0])
    assert end - begin > STALL / 2
    half = (end - begin) / 2
    meanwhile = [ack for ack in run.acks if begin < ack.asked < begin + half]
    assert meanwhile
    assert all(ack.sent is not None and ack.sent < end for ack in meanwhile)
    assert all(ack.acked is not None and ack.acked - ack.asked >= half for ack in meanwhile)
    slow = [ack for ack in run.acks if ack.acked is not None and ack.acked - ack.asked >= half]
    assert len(slow) >= len(meanwhile)
    assert run.lost == 0


def test_a_killed_web_process_loses_nothing_on_the_simple_path_and_its_recovery_is_known(parts: None) -> None:
    run = made(Plan("simple", 1, "kill web process"), experiment(times={"triage": {"median_ms": 200}}))
    assert (run.lost, run.doubled, run.disordered, run.findings) == (0, 0, 0, [])
    assert all(job.state in FINAL for job in run.jobs)
    assert len([ack for ack in run.acks if not ack.task]) == len(schedule(experiment()))
    assert run.recovery is not None
    assert run.recovery > 0


def test_what_the_plain_original_loses_with_its_process_is_counted(
    parts: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(running, "NO_PROGRESS_SECONDS", 3.0)  # nothing more will come, and nobody needs to wait for it
    of = experiment(times={"triage": {"median_ms": 800}}, requests={})  # so that some are running when it dies
    run = made(Plan("plain", 1, "kill web process"), of)
    lost = sum(job.state == "lost" for job in run.jobs)
    assert lost > 0
    assert run.lost > 0
    assert run.drained is None
    accepted = sum(ack.code == "ok" for ack in run.acks)
    assert Counter(job.task for job in run.jobs)["triage"] == accepted == len(schedule(of))
    _, path = reports.write(samples.report([msgspec.structs.replace(run, kind="load")]), tmp_path)
    figures = reports.conclude(reports.read(path)).figures["plain"]
    assert figures.states["lost"] == lost
    assert sum(figures.states.values()) == figures.offered == len(run.jobs)


def test_a_system_that_ends_in_mid_run_ends_the_run_with_a_sentence_and_nothing_stays(parts: None) -> None:
    before = processes("wsgi.py") | processes("ml_clients.synthetic") | processes("app.compare.driver")
    with pytest.raises(RunFailed, match="the system ended during the run"):
        made(Plan("simple", 1), experiment(seconds=600.0), once("app.run", lambda supervisor: supervisor.kill()))
    after = processes("wsgi.py") | processes("ml_clients.synthetic") | processes("app.compare.driver")
    assert after <= before
