"""`python -m app jobs`: what became of jobs."""

from __future__ import annotations

from typing import Any

import click

from app.commands.asked import Asked, Listing, shared, show, show_list

STATES = ["accepted", "running", "retrying", "succeeded", "failed", "cancelled", "skipped"]


@click.group(cls=Listing)
@shared
def jobs() -> None:
    """What became of jobs."""


@jobs.command("ls")
@click.option("--room", help="only those of this room")
@click.option("--task", help="only those of this task")
@click.option("--state", type=click.Choice(STATES), help="only those in this state")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500), help="at most so many")
@shared
@click.pass_obj
def list_jobs(asked: Asked, /, **which: Any) -> None:
    """The newest jobs, the newest first."""
    found = asked.http("GET", "/api/jobs", **which)["jobs"]
    if asked.as_json:
        show(found, asked)
    else:
        show_list([_row(job) for job in found], whole=("id", "at", "state"))


def _row(job: dict[str, Any]) -> dict[str, str]:
    return {
        "id": job["id"],
        "at": moment(job["at"]),
        "task": job["task"],
        "room": job["room"],
        "state": job["state"],
        "error": job.get("error", {}).get("code", ""),
    }


def moment(at: str) -> str:
    """`11-24 18:43` of a time in RFC 3339: what fits beside the rest."""
    return at[5:16].replace("T", " ")
