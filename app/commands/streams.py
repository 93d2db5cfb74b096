"""`python -m app streams`: the streams and consumers on the broker, and what differs from what Spillway needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import click

from app import data_dir
from app.commands.asked import Asked, shared, show
from app.settings import SettingInvalid, Settings, from_env

AS_NEEDED = [{"streams": "as they should be"}]


@click.group()
@shared
def streams() -> None:
    """The streams and consumers on the broker: that of NATS_URL, or the one `make run` has started on this DATA_DIR."""


F = TypeVar("F", bound=Callable[..., Any])


def _needs(command: F) -> F:
    """Let a command be told how much is to be served."""
    options = (
        click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="worker processes"),
        click.option(
            "--concurrency",
            default=8,
            show_default=True,
            type=click.IntRange(1),
            help="jobs at once in each lane of one",
        ),
    )
    for option in options:
        command = option(command)
    return command


@streams.command("plan")
@_needs
@shared
@click.pass_obj
def plan_streams(asked: Asked, workers: int, concurrency: int) -> None:
    """What differs from what Spillway needs, and which number is too small; ends with 1 when there is a difference."""
    steps = _steps("plan", workers, concurrency)
    show(steps if asked.as_json or steps else AS_NEEDED, asked)
    raise SystemExit(1 if steps else 0)


@streams.command("apply")
@_needs
@shared
@click.pass_obj
def apply_streams(asked: Asked, workers: int, concurrency: int) -> None:
    """Make what is absent, change what differs; ends with 1 when something is left to do by hand."""
    steps = _steps("apply", workers, concurrency)
    show(steps if asked.as_json or steps else AS_NEEDED, asked)
    raise SystemExit(1 if any(step["action"] == "by hand" for step in steps) else 0)


def _steps(verb: str, workers: int, concurrency: int) -> list[dict[str, Any]]:
    from app.queue import plan
    from app.queue.dialling import QueueUnavailable
    from app.tasks import TaskDeclarationInvalid, discover

    try:
        lanes = sorted({task.lane for task in discover().values()})
        settings = _settings()
        needs = plan.Needs(workers, concurrency, settings.web)
        steps = asyncio.run(getattr(plan, verb)(settings, lanes, needs))
    except (SettingInvalid, QueueUnavailable, TaskDeclarationInvalid) as error:
        raise click.ClickException(str(error)) from None
    return [{"what": step.what, "action": step.action, "difference": step.difference} for step in steps]


def _settings() -> Settings:
    """The settings, with the broker of `make run` where none is set."""
    settings = from_env()
    if settings.nats_url:
        return settings
    url = data_dir.broker_url(settings)
    if not url:
        raise click.ClickException(
            f"NATS_URL is empty, and no broker of make run is noted in DATA_DIR={settings.data_dir}:"
            " set NATS_URL, such as nats://127.0.0.1:4222, or DATA_DIR"
        )
    return replace(settings, nats_url=(url,))
