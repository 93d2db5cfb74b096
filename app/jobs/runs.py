"""Which runs of an attempt were heard of, as a job's `run` keeps them: their names apart by spaces, the newest last.

A space at the end says that the attempt was given out again since: one more run is no sign that the one before it died.
"""

from __future__ import annotations

from app.jobs.job import Job

MAX_NAMES = 20  # kept of one attempt


def newest(job: Job) -> str:
    """The run that was heard of last for the first time; empty where none was."""
    return (job.run or "").rstrip().rpartition(" ")[2]


def is_known(job: Job, run: str) -> bool:
    """Whether this run of the attempt was heard of before."""
    return _name(run) in (job.run or "").split(" ")


def is_a_death(job: Job, run: str) -> bool:
    """Whether this run means that the one before it died: nobody has heard of it, and no other was expected."""
    return bool(job.run) and not (job.run or "").endswith(" ") and not is_known(job, run)


def note(job: Job, run: str) -> None:
    """Remember this run of the attempt."""
    if not is_known(job, run):
        job.run = " ".join([*(job.run or "").split(), _name(run)][-MAX_NAMES:])


def expect_another(job: Job) -> None:
    """The attempt is given out again: the run heard of may be well, and another comes."""
    if job.run:
        job.run = job.run.rstrip() + " "


def _name(run: str) -> str:
    """The name a worker gave a run, as one word."""
    return "_".join(run.split()) or "_"
