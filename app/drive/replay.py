"""Playing a recorded conversation through real clients, and printing what the models found in it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.drive.client import FINAL, Person
from app.payload import PersonName, Refused, Text, read

PATIENCE = 120.0  # seconds without any news until jobs count as missing


class ConversationInvalid(Exception):
    """The file is no conversation; the message names the line and what would be right."""


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """One line of a conversation: who says what."""

    sender: PersonName
    text: Text


@dataclass
class Replayed:
    """One line with what came of it."""

    seq: int
    line: Line
    found: dict[str, dict[str, Any]]  # task -> the job's last state as job:update shows it


L = TypeVar("L", bound=Line)


def conversation(path: Path) -> list[Line]:
    """The lines of a file of JSON lines; raises ConversationInvalid."""
    return lines_of(path, Line)


def lines_of(path: Path, kind: type[L]) -> list[L]:
    """The lines of a conversation that tells more than who says what; raises ConversationInvalid."""
    lines = []
    # Split as bytes: as text U+2028 and its like would end a line too, which JSON allows inside of one.
    for number, content in enumerate(path.read_bytes().splitlines(), 1):
        if not content.strip():
            continue
        try:
            lines.append(read(json.loads(content.decode()), kind))
        except (ValueError, Refused, RecursionError) as error:
            raise ConversationInvalid(
                f'{path}, line {number}: {error}; {{"sender": "Ann", "text": "Hello"}} is right'
            ) from None
    if not lines:
        raise ConversationInvalid(f"{path} holds no line")
    return lines


async def replay(
    url: str, lines: list[Line], room: str, speed: float, tasks: int, progress: Progress
) -> list[Replayed]:
    """Play the lines in order, one each 1/speed seconds; returns what `tasks` jobs a line found, in the order of lines."""
    people = {name: Person(url, name, room) for name in dict.fromkeys(line.sender for line in lines)}
    try:
        return await _play(people, lines, speed, tasks, progress)
    finally:
        for person in people.values():
            await person.close()


async def _play(
    people: dict[str, Person], lines: list[Line], speed: float, tasks: int, progress: Progress
) -> list[Replayed]:
    for person in people.values():
        await person.connect()
    watcher = people[lines[0].sender]
    before = set(watcher.books.jobs)
    sending = progress.add_task("lines", total=len(lines))
    seqs = []
    for line in lines:
        person = people[line.sender]
        message = await person.insist(lambda key, line=line, person=person: person.say(line.text, key))  # type: ignore[misc]
        seqs.append(message["seq"])
        progress.advance(sending)
        await asyncio.sleep(1 / speed)
    await _wait(watcher, set(seqs), before, tasks, progress)
    found: dict[int, dict[str, dict[str, Any]]] = {seq: {} for seq in seqs}
    for job in watcher.books.jobs.values():
        if job.get("message") in found:
            found[job["message"]][job["task"]] = job
    return [Replayed(seq, line, found[seq]) for seq, line in zip(seqs, lines, strict=True)]


async def _wait(watcher: Person, seqs: set[int], before: set[str], tasks: int, progress: Progress) -> None:
    """Until every line's jobs are final, or nothing has moved for a long time."""
    bar = progress.add_task("jobs", total=len(seqs) * tasks)
    done, quiet = -1, 0.0
    while quiet < PATIENCE:
        mine = [job for id, job in watcher.books.jobs.items() if id not in before and job.get("message") in seqs]
        final = sum(job["state"] in FINAL for job in mine)
        quiet = 0.0 if final != done else quiet + 0.1
        done = final
        progress.update(bar, completed=final, total=max(len(mine), len(seqs) * tasks))
        if len(mine) >= len(seqs) * tasks and final == len(mine):
            return
        await asyncio.sleep(0.1)


def bar(console: Console) -> Progress:
    """A progress bar that goes to standard error."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


def as_json(replayed: list[Replayed]) -> str:
    """One JSON object a line: sender, text, and what each task found."""
    return "\n".join(
        json.dumps(
            {"seq": each.seq, "sender": each.line.sender, "text": each.line.text, "found": _found(each)},
            ensure_ascii=False,
        )
        for each in replayed
    )


def print_table(replayed: list[Replayed], console: Console) -> None:
    """The lines with what was found, and how the jobs ended by path."""
    tasks = sorted({task for each in replayed for task in each.found})
    table = Table("", "sender", "text", *tasks, box=None, header_style="bold")
    for each in replayed:
        cells = [_words(each.found[task]) if task in each.found else "-" for task in tasks]
        table.add_row(str(each.seq), each.line.sender, each.line.text, *cells)
    console.print(table)
    ends = Counter((job["path"], job["state"]) for each in replayed for job in each.found.values())
    console.print(", ".join(f"{count} {state} on {path}" for (path, state), count in sorted(ends.items())))


def _found(each: Replayed) -> dict[str, Any]:
    return {task: job.get("result", {"state": job["state"]}) for task, job in sorted(each.found.items())}


def _words(job: dict[str, Any]) -> str:
    if job["state"] != "succeeded":
        return str(job["state"])
    values = (job.get("result") or {}).values()
    return (
        " ".join(f"{value:.2f}" if isinstance(value, float) else str(value) for value in values if value != "") or "-"
    )
