"""`python -m app tasks` and `python -m app lanes`: what is paused, and pausing it."""

from __future__ import annotations

from typing import Any

import click

from app.commands.asked import Asked, Listing, shared, show


@click.group(cls=Listing)
@shared
def tasks() -> None:
    """Which tasks are paused, their limits, and how they are tried again."""


@tasks.command("list")
@shared
@click.pass_obj
def list_tasks(asked: Asked) -> None:
    """Every task."""
    names = ("task", "lane", "paused", "max_inflight", "rate", "retries")
    shown = asked.http("GET", "/api/tasks")["tasks"]
    show([{name: each.get(name, "") for name in names} | {"paused": _paused(each)} for each in shown], asked)


@tasks.command("pause")
@click.argument("task")
@shared
@click.pass_obj
def pause_task(asked: Asked, task: str) -> None:
    """Start no more attempts of TASK; what waits is kept."""
    _set(asked, f"tasks/{task}", paused=True)


@tasks.command("resume")
@click.argument("task")
@shared
@click.pass_obj
def resume_task(asked: Asked, task: str) -> None:
    """Let TASK go on."""
    _set(asked, f"tasks/{task}", paused=False)


@click.group(cls=Listing)
@shared
def lanes() -> None:
    """Which lanes are paused."""


@lanes.command("list")
@shared
@click.pass_obj
def list_lanes(asked: Asked) -> None:
    """Every lane."""
    show(asked.http("GET", "/api/lanes")["lanes"], asked)


@lanes.command("pause")
@click.argument("lane")
@shared
@click.pass_obj
def pause_lane(asked: Asked, lane: str) -> None:
    """Start no more attempts of any task of LANE; what waits is kept."""
    _set(asked, f"lanes/{lane}", paused=True)


@lanes.command("resume")
@click.argument("lane")
@shared
@click.pass_obj
def resume_lane(asked: Asked, lane: str) -> None:
    """Let the tasks of LANE go on, but for those that are paused themselves."""
    _set(asked, f"lanes/{lane}", paused=False)


def _set(asked: Asked, which: str, *, paused: bool) -> None:
    show([asked.http("PUT", f"/api/{which}", {"paused": paused})], asked)


def _paused(task: dict[str, Any]) -> Any:
    return task.get("paused") or ("with its lane" if task.get("lane_paused") else False)
