"""Made samples: runs of a system that exists nowhere, from a seed, so that what is wrong with them is known exactly."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec

from app.compare.samples import Ack, JobTimes, Report, Run, Use

PARTS = {
    "simple": {"web process": 0.004, "model server": 0.006},
    "queued": {"web process": 0.003, "worker": 0.002, "broker": 0.0005, "model server": 0.006},
}
PARTS["plain"], PARTS["auto"] = PARTS["simple"], PARTS["queued"]
TASKS = {"triage": 0.012, "language": 0.004, "summarize": 0.400}
SECONDS = 30.0


def run(
    variant: str = "simple",
    repeat: int = 1,
    *,
    kind: str = "load",
    factor: float = 1.0,
    messages: int = 240,
    slower: float = 0.0,
    acks_slower: float = 0.0,
    noise: float = 0.002,
    seed: int = 1,
) -> Run:
    """One run: each message starts a triage and a language, each twelfth is followed by a summary asked for.

    `slower` and `acks_slower` are seconds put on every answer and every ack; `noise` is how far repeats are apart.
    """
    random = Random(f"{seed} {variant} {repeat} {kind} {factor}")
    shift = random.uniform(0, noise)
    due = sorted(random.uniform(0, SECONDS) for _ in range(round(messages * factor)))
    acks, jobs = [], []
    for number, at in enumerate(due):
        acks.append(Ack(at, at + 0.003 + shift + acks_slower + random.expovariate(200), "ok", "", at + 0.001))
        tasks = ["triage", "language"]
        if number % 12 == 0:
            acks.append(Ack(at, at + 0.004 + shift + acks_slower, "ok", "summarize"))
            tasks.append("summarize")
        jobs += [_job(random, variant, task, at, shift + slower) for task in tasks]
    drained = max((job.final or 0.0) for job in jobs) - SECONDS if jobs else 0.0
    return Run(
        variant=variant,
        repeat=repeat,
        kind=kind,
        factor=factor,
        seconds=SECONDS,
        drained=max(0.0, drained),
        acks=acks,
        jobs=jobs,
        uses=_uses(variant, len(jobs)),
    )


def runs(variant: str, repeats: int = 3, **made: Any) -> list[Run]:
    """So many repeats of one variant."""
    return [run(variant, repeat, **made) for repeat in range(1, repeats + 1)]


def report(measured: list[Run], **changed: Any) -> Report:
    """A report of these runs, nothing computed yet."""
    made = Report(
        made="2026-11-21T12:00:00Z",
        command="python -m app compare --preset burst --repeat 3 --seed 7",
        machine={"cores": 2, "processor": "made up", "memory_gb": 8, "system": "Linux", "python": "3.11.7"},
        workload={
            "name": "burst",
            "about": "Ten times the mean for ten seconds",
            "seconds": SECONDS,
            "bounds": {"ack_ms": 100.0, "answer_s": 2.0, "tasks": {"summarize": 20.0}},
        },
        models="embedded",
        seed=7,
        variants=list(dict.fromkeys(each.variant for each in measured)),
        repeat=max((each.repeat for each in measured), default=1),
        full=any(each.kind != "load" for each in measured),
        runs=measured,
    )
    return msgspec.structs.replace(made, **changed)


def dropped(measured: Run, number: int = 0) -> Run:
    """The run with one job that nobody ever saw end."""
    gone = measured.jobs[number]
    jobs = [*measured.jobs]
    jobs[number] = JobTimes(gone.task, gone.path, "lost", gone.asked, gone.accepted, gone.started, None, None, 1)
    return msgspec.structs.replace(measured, jobs=jobs, drained=None)


def _job(random: Random, variant: str, task: str, at: float, slower: float) -> JobTimes:
    accepted = at + 0.003
    started = accepted + 0.001 + random.expovariate(500)
    took = TASKS[task] * random.uniform(0.8, 1.3)
    path = "queued" if variant == "queued" else "simple"
    return JobTimes(task, path, "succeeded", at, accepted, started, started + took + slower, took * 1000, 1)


def _uses(variant: str, jobs: int) -> list[Use]:
    """What each part had used up at each second, growing evenly."""
    return [
        Use(float(second), part, round(cost * jobs * second / SECONDS, 4), 60.0 + 40 * len(part) / 10, 12)
        for second in range(int(SECONDS) + 1)
        for part, cost in PARTS[variant].items()
    ]
