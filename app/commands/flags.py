"""`python -m app flags`: which path each task takes."""

from __future__ import annotations

import click

from app.commands.asked import Asked, Listing, shared, show


@click.group(cls=Listing)
@shared
def flags() -> None:
    """Which path each task takes."""


@flags.command("ls")
@shared
@click.pass_obj
def list_flags(asked: Asked) -> None:
    """What is in force."""
    show(asked.http("GET", "/api/flags")["flags"], asked)


@flags.command("set")
@click.argument("task")
@click.option("--path", required=True, type=click.Choice(["simple", "queued", "auto"]))
@click.option(
    "--percent", default=100, type=click.IntRange(0, 100), show_default=True, help="share of rooms that take the path"
)
@shared
@click.pass_obj
def set_flag(asked: Asked, task: str, path: str, percent: int) -> None:
    """Set the path of TASK (* for all)."""
    show([asked.http("PUT", f"/api/flags/{task}", {"path": path, "percent": percent})], asked)


@flags.command("unset")
@click.argument("task")
@shared
@click.pass_obj
def unset_flag(asked: Asked, task: str) -> None:
    """Remove the flag of TASK."""
    show([asked.http("DELETE", f"/api/flags/{task}")], asked)
