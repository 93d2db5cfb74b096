"""`python -m app dead-letters`: jobs no attempt will complete, messages nobody could read, callbacks nobody took."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

from app.commands.asked import Asked, Failed, Listing, shared, show, show_list
from app.commands.jobs import moment

MIN_PREFIX = 10  # characters of an ID: those of its time

F = TypeVar("F", bound=Callable[..., Any])


@click.group("dead-letters", cls=Listing)
@shared
def dead_letters() -> None:
    """Jobs no attempt will complete, messages nobody could read, callbacks nobody took."""


def _filtered(command: F) -> F:
    """Let the command take some letters, or all of them, instead of naming each."""
    for option in (
        click.option("--all", "everything", is_flag=True, help="all of them"),
        click.option("--error", help="all with this error code"),
        click.option("--task", help="all of this task"),
        click.argument("ids", nargs=-1, metavar="[ID]..."),
    ):
        command = option(command)
    return command


@dead_letters.command("ls")
@click.option("--task", help="only those of this task")
@click.option("--error", help="only those with this error code")
@shared
@click.pass_obj
def list_letters(asked: Asked, task: str | None, error: str | None) -> None:
    """The newest, the newest first. A part of an ID as long as shown here is enough for the other commands."""
    letters = asked.http("GET", "/api/dead-letters", task=task, error=error)["dead_letters"]
    if asked.as_json:
        show(letters, asked)
        return
    length = _length_that_tells_apart([letter["id"] for letter in letters])
    show_list([_row(letter, length) for letter in letters], whole=("id", "at"))


@dead_letters.command("show")
@click.argument("id")
@shared
@click.pass_obj
def show_letter(asked: Asked, id: str) -> None:
    """One, with everything known of it; the beginning of its ID is enough."""
    letter = asked.http("GET", f"/api/dead-letters/{id}")
    if asked.as_json:
        click.echo(json.dumps(letter, ensure_ascii=False))
        return
    trace = letter.pop("traceback", None)
    click.echo(json.dumps(letter, ensure_ascii=False, indent=2))
    if trace:
        click.echo(trace.rstrip())


@dead_letters.command("replay")
@_filtered
@shared
@click.pass_obj
def replay_letters(asked: Asked, ids: tuple[str, ...], task: str | None, error: str | None, everything: bool) -> None:
    """Give their jobs all attempts once more; send callbacks again."""
    replayed = []
    for letter in _chosen(asked, ids, task, error, everything):
        if not ids and letter["kind"] == "message":
            continue  # what nobody could read can only be dropped
        job = _done(asked, ids, "POST", f"/api/dead-letters/{letter['id']}/replay")
        if job is not None:
            shown = ("id", "kind", "task", "room", "path", "state", "attempt")
            replayed.append({key: job[key] for key in shown if key in job})
    _tell(asked, "replayed", replayed)


@dead_letters.command("drop")
@_filtered
@shared
@click.pass_obj
def drop_letters(asked: Asked, ids: tuple[str, ...], task: str | None, error: str | None, everything: bool) -> None:
    """Forget them; their jobs stay failed."""
    chosen = _chosen(asked, ids, task, error, everything)
    answers = [_done(asked, ids, "DELETE", f"/api/dead-letters/{letter['id']}") for letter in chosen]
    _tell(asked, "dropped", [answer for answer in answers if answer is not None])


def _chosen(
    asked: Asked, ids: tuple[str, ...], task: str | None, error: str | None, everything: bool
) -> Iterator[dict[str, Any]]:
    """The letters that were named, or all that fit the filter, each once."""
    if bool(ids) == bool(task or error or everything):
        raise click.UsageError("name IDs, or say which: --task TASK, --error CODE, or --all")
    for id in ids:
        yield asked.http("GET", f"/api/dead-letters/{id}")
    seen: set[str] = set()
    while not ids:  # the list has the newest 500, and those behind come up when these are gone
        page = asked.http("GET", "/api/dead-letters", task=task, error=error)["dead_letters"]
        new = [letter for letter in page if letter["id"] not in seen]
        if not new:
            return
        seen.update(letter["id"] for letter in new)
        yield from new


def _done(asked: Asked, ids: tuple[str, ...], method: str, path: str) -> Any:
    """The answer; None where many were asked for and somebody else was faster with this one."""
    answer = asked.try_http(method, path)
    if isinstance(answer, Failed):
        if not ids and answer.code in ("conflict", "not_found"):
            return None
        raise click.ClickException(str(answer))
    return answer


def _tell(asked: Asked, word: str, rows: list[Any]) -> None:
    if asked.as_json or len(rows) == 1:
        show(rows, asked)
    else:
        click.echo(f"{word} {len(rows)}")


def _row(letter: dict[str, Any], length: int) -> dict[str, str]:
    return {
        "id": letter["id"][:length],
        "at": moment(letter["at"]),
        "task": letter.get("task") or letter.get("subject", ""),
        "room": letter.get("room", ""),
        "error": f"{letter['error']['code']}: {letter['error']['message']}".replace("\n", " "),
    }


def _length_that_tells_apart(ids: list[str]) -> int:
    """How many characters of each ID are needed to tell these apart."""
    in_order = sorted(ids)
    needed = [_common(first, second) + 1 for first, second in itertools.pairwise(in_order)]
    return max([MIN_PREFIX, *needed])


def _common(first: str, second: str) -> int:
    return next((at for at, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), len(first))
