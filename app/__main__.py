"""Operator commands: `python -m app COMMAND`, over HTTP to a running web process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from app.commands.asked import Asked, shared, show
from app.commands.db import db
from app.commands.dead_letters import dead_letters
from app.commands.flags import flags
from app.commands.jobs import jobs
from app.commands.lanes import lanes, tasks
from app.commands.nats_config import nats_config
from app.commands.streams import streams
from app.commands.token import token
from app.settings import SettingInvalid, from_env


@click.group()
@shared
def main() -> None:
    """Operate a running Spillway."""


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--room", required=True, help="where it is played")
@click.option("--speed", default=10.0, show_default=True, type=click.FloatRange(0.01, 1000), help="lines a second")
@shared
@click.pass_obj
def replay(asked: Asked, file: Path, room: str, speed: float) -> None:
    """Play a conversation (JSON lines of sender and text) through real clients; with a token, all in its name."""
    from socketio.exceptions import ConnectionError

    from app.compare.client import NotAccepted
    from app.compare.command import play, print_results, progress_bar, results_as_json
    from app.compare.workload import ConversationInvalid, conversation

    try:
        lines = conversation(file)
        listed = asked.http("GET", "/api/tasks")["tasks"]
        tasks = {each["task"] for each in listed if "message" in each["runs"] and not each.get("conditional")}
        with progress_bar(Console(stderr=True)) as progress:
            replayed = asyncio.run(play(asked.url, lines, room, speed, tasks, progress, asked.token))
    except (ConversationInvalid, ConnectionError, NotAccepted) as error:
        raise click.ClickException(str(error)) from None
    if asked.as_json:
        click.echo(results_as_json(replayed))
    else:
        print_results(replayed, Console())


@main.command()
@click.option("--preset", help="a workload that comes with Spillway [default: burst]; --preset list names them")
@click.option(
    "--workload", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="a workload file of yours"
)
@click.option("--variants", default="simple,queued,auto,plain", show_default=True, help="what is compared")
@click.option("--repeat", default=1, show_default=True, type=click.IntRange(1, 100), help="runs of each variant")
@click.option("--full", is_flag=True, help="also step up the load, overload, and kill -9 in mid-run")
@click.option(
    "--topology",
    type=click.Choice(["one", "cluster"]),
    default="one",
    show_default=True,
    help="what is measured: one of each part, or what make cluster starts",
)
@click.option("--models", type=click.Choice(["embedded", "synthetic"]), help="instead of what the workload says")
@click.option("--seed", type=int, help="repeats arrivals and synthetic times")
@click.option("--out", default=Path("compare"), show_default=True, type=click.Path(file_okay=False, path_type=Path))
@shared
@click.pass_obj
def compare(asked: Asked, /, preset: str | None, file: Path | None, **how: Any) -> None:
    """Measure every path under one workload on this machine, and say which one to use."""
    from app.compare import command, workload

    if preset is not None and file is not None:
        raise click.UsageError("--preset and --workload: one of them")
    if preset == "list":
        click.echo("\n".join(workload.presets()))
        return
    if preset is not None and preset not in workload.presets():
        raise click.ClickException(
            f"--preset: unknown preset {preset!r}; expected one of {', '.join(workload.presets())}"
        )
    try:
        code = command.compare(preset, file, as_json=asked.as_json, **how)
    except (command.CompareRefused, SettingInvalid) as error:
        raise click.ClickException(str(error)) from None
    raise SystemExit(code)


@main.command("worker-check")
@click.option("--task", "name", required=True, help="the task the worker serves")
@click.option("--args", "text", default="", help='JSON object; default: {"text": "Hello"} where the task takes a text')
@shared
@click.pass_obj
def worker_check(asked: Asked, name: str, text: str) -> None:
    """Offer jobs to a worker in any language and say where it breaks the contract; ends with 1 when it does.

    Uses the streams of NATS_PREFIX, which should be one that no web process uses: docs/workers.md.
    """
    from app.payload import Refused
    from app.queue.check import WorkerCheck
    from app.queue.dialling import QueueUnavailable
    from app.tasks import discover

    try:
        settings, tasks = from_env(), discover()
        if not settings.nats_url:
            raise click.ClickException("NATS_URL is empty: it says which broker, such as nats://127.0.0.1:4222")
        if name not in tasks:
            raise click.ClickException(f"there is no task {name}: one of {', '.join(tasks)} is right")
        takes_text = "text" in tasks[name].arguments.__struct_fields__
        args = json.loads(text) if text else {"text": "Hello"} if takes_text else {}
        note = lambda check: click.echo(f"... {check}", err=True)  # noqa: E731 - three words
        findings = asyncio.run(WorkerCheck(settings, tasks[name], args, note).run())
    except (SettingInvalid, QueueUnavailable, Refused, ValueError) as error:
        raise click.ClickException(str(error)) from None
    show([{"check": each.check, "verdict": each.wrong or "ok"} for each in findings], asked)
    raise SystemExit(1 if any(each.wrong for each in findings) else 0)


for command in (db, flags, jobs, tasks, lanes, dead_letters, streams, nats_config, token):
    main.add_command(command)

if __name__ == "__main__":
    main()
