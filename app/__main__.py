"""Operator commands: `python -m app COMMAND`, over HTTP to a running web process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import click
import requests
from rich.console import Console
from rich.table import Table

from app.settings import SettingInvalid, from_env

SECONDS = 10


@click.group()
@click.option("--url", help="of the web process; default: as HOST and PORT say")
@click.pass_context
def main(context: click.Context, url: str | None) -> None:
    """Operate a running Spillway."""
    try:
        context.obj = (url or from_env().url).rstrip("/")
    except SettingInvalid as error:
        raise click.ClickException(str(error)) from None


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--room", required=True, help="where it is played")
@click.option("--speed", default=10.0, show_default=True, type=click.FloatRange(0.01, 1000), help="lines a second")
@click.option("--json", "as_json", is_flag=True, help="print JSON lines")
@click.pass_obj
def replay(url: str, file: Path, room: str, speed: float, as_json: bool) -> None:
    """Play a conversation (JSON lines of sender and text) through real clients."""
    from socketio.exceptions import ConnectionError

    from app.compare.client import NotAccepted
    from app.compare.command import play, print_results, progress_bar, results_as_json
    from app.compare.workload import ConversationInvalid, conversation

    try:
        lines = conversation(file)
        tasks = {each["task"] for each in _http(url, "GET", "/api/tasks")["tasks"] if "message" in each["runs"]}
        with progress_bar(Console(stderr=True)) as progress:
            replayed = asyncio.run(play(url, lines, room, speed, tasks, progress))
    except (ConversationInvalid, ConnectionError, NotAccepted) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
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
@click.option("--models", type=click.Choice(["embedded", "synthetic"]), help="instead of what the workload says")
@click.option("--seed", type=int, help="repeats arrivals and synthetic times")
@click.option("--out", default=Path("compare"), show_default=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="print compare.json")
def compare(preset: str | None, file: Path | None, as_json: bool, **how: Any) -> None:
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
        code = command.compare(preset, file, as_json=as_json, **how)
    except command.CompareRefused as error:
        raise click.ClickException(str(error)) from None
    raise SystemExit(code)


@main.group()
def flags() -> None:
    """Which path each task takes."""


@flags.command("ls")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def list_flags(url: str, as_json: bool) -> None:
    """What is in force."""
    _print(_http(url, "GET", "/api/flags")["flags"], as_json)


@flags.command("set")
@click.argument("task")
@click.option("--path", required=True, type=click.Choice(["simple", "queued", "auto"]))
@click.option(
    "--percent", default=100, type=click.IntRange(0, 100), show_default=True, help="share of rooms that take the path"
)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def set_flag(url: str, task: str, path: str, percent: int, as_json: bool) -> None:
    """Set the path of TASK (* for all)."""
    _print([_http(url, "PUT", f"/api/flags/{task}", {"path": path, "percent": percent})], as_json)


@flags.command("unset")
@click.argument("task")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def unset_flag(url: str, task: str, as_json: bool) -> None:
    """Remove the flag of TASK."""
    _print([_http(url, "DELETE", f"/api/flags/{task}")], as_json)


@main.group("dead-letters")
def dead_letters() -> None:
    """Jobs no attempt will complete, and messages nobody could read."""


@dead_letters.command("ls")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def list_dead_letters(url: str, as_json: bool) -> None:
    """All of them, the newest first."""
    rows = _http(url, "GET", "/api/dead-letters")["dead_letters"]
    if not as_json:
        rows = [
            {
                "id": row["id"],
                "what": row.get("task") or row.get("subject"),
                "room": row.get("room", ""),
                "attempts": row.get("attempts", ""),
                "error": f"{row['error']['code']}: {row['error']['message']}"[:80],
                "at": row["at"],
            }
            for row in rows
        ]
    _print(rows, as_json)


@dead_letters.command("show")
@click.argument("id")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def show_dead_letter(url: str, id: str, as_json: bool) -> None:
    """One, with everything known of it."""
    letter = _http(url, "GET", f"/api/dead-letters/{id}")
    click.echo(json.dumps(letter, ensure_ascii=False, indent=None if as_json else 2))


@dead_letters.command("replay")
@click.argument("id")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def replay_dead_letter(url: str, id: str, as_json: bool) -> None:
    """Give its job the attempts it has once more."""
    job = _http(url, "POST", f"/api/dead-letters/{id}/replay")
    _print([{key: job[key] for key in ("id", "task", "room", "path", "state", "attempt")}], as_json)


@dead_letters.command("drop")
@click.argument("id")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def drop_dead_letter(url: str, id: str, as_json: bool) -> None:
    """Forget it; its job stays failed."""
    _print([_http(url, "DELETE", f"/api/dead-letters/{id}")], as_json)


@main.group()
def streams() -> None:
    """The streams and consumers on the broker (NATS_URL)."""


@streams.command("plan")
@click.option("--json", "as_json", is_flag=True)
def plan_streams(as_json: bool) -> None:
    """What differs from what Spillway needs; changes nothing, ends with 1 when there is a difference."""
    steps = _steps("plan")
    _print(steps or [] if as_json or steps else [{"streams": "as they should be"}], as_json)
    raise SystemExit(1 if steps else 0)


@streams.command("apply")
@click.option("--json", "as_json", is_flag=True)
def apply_streams(as_json: bool) -> None:
    """Make what is absent, change what differs; ends with 1 when something is left to do by hand."""
    steps = _steps("apply")
    _print(steps or [] if as_json or steps else [{"streams": "as they should be"}], as_json)
    raise SystemExit(1 if any(step["action"] == "by hand" for step in steps) else 0)


@main.command("worker-check")
@click.option("--task", "name", required=True, help="the task the worker serves")
@click.option("--args", "text", default="", help='JSON object; default: {"text": "Hello"} where the task takes a text')
@click.option("--json", "as_json", is_flag=True)
def worker_check(name: str, text: str, as_json: bool) -> None:
    """Offer jobs to a worker in any language and say where it breaks the contract; ends with 1 when it does.

    Uses the streams of NATS_PREFIX, which should be one that no web process uses: docs/workers.md.
    """
    from app.payload import Refused
    from app.queue.check import WorkerCheck
    from app.queue.connection import QueueUnavailable
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
    _print([{"check": each.check, "verdict": each.wrong or "ok"} for each in findings], as_json)
    raise SystemExit(1 if any(each.wrong for each in findings) else 0)


def _steps(verb: str) -> list[dict[str, Any]]:
    from app.queue import plan
    from app.queue.connection import QueueUnavailable
    from app.tasks import discover

    try:
        settings = from_env()
        if not settings.nats_url:
            raise click.ClickException("NATS_URL is empty: it says which broker, such as nats://127.0.0.1:4222")
        lanes = sorted({task.lane for task in discover().values()})
        steps = asyncio.run(getattr(plan, verb)(settings, lanes))
    except (SettingInvalid, QueueUnavailable) as error:
        raise click.ClickException(str(error)) from None
    return [{"what": step.what, "action": step.action, "difference": step.difference} for step in steps]


def _http(url: str, method: str, path: str, body: Any = None) -> Any:
    """The JSON answer; every failure ends the command with one sentence."""
    try:
        answer = requests.request(method, url + path, json=body, timeout=SECONDS)
    except requests.RequestException as error:
        raise click.ClickException(f"{url} does not answer: {type(error).__name__}; is make run running?") from None
    try:
        content = answer.json()
    except ValueError:
        raise click.ClickException(f"{url}{path} answered {answer.status_code} and no JSON") from None
    if not answer.ok:
        raise click.ClickException(f"{content['error']['code']}: {content['error']['message']}")
    return content


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    table = Table(*(rows[0] if rows else ["nothing"]), box=None, header_style="bold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
