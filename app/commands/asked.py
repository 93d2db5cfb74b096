"""What every command shares: `--url`, `--token` and `--json` wherever they stand, asking the web process, and printing a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click
import requests
from rich.console import Console
from rich.table import Table

from app.settings import SettingInvalid, from_env

SECONDS = 10

F = TypeVar("F", bound=Callable[..., Any])


class Asked:
    """How the command was asked: which web process, and whether a program reads the answer."""

    def __init__(self) -> None:
        self.as_json = False
        self.token, self._url = "", ""

    @property
    def url(self) -> str:
        """The web process: as asked, or as HOST and PORT say; ends the command on a wrong setting."""
        try:
            return (self._url or from_env().url).rstrip("/")
        except SettingInvalid as error:
            raise click.ClickException(str(error)) from None

    def note(self, name: str | None, value: Any) -> None:
        """Take one of the shared options over, wherever it stood."""
        if name == "url" and value:
            self._url = value
        elif name == "as_json" and value:
            self.as_json = True
        elif name == "token" and value:
            self.token = value

    def http(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The JSON answer; every failure ends the command with one sentence."""
        answer = self.try_http(method, path, body, **query)
        if isinstance(answer, Failed):
            raise click.ClickException(str(answer))
        return answer

    def try_http(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The JSON answer, or the error that the web process answered with; ends the command when it does not answer."""
        params = {key: value for key, value in query.items() if value is not None}
        try:
            answer = requests.request(
                method, self.url + path, json=body, params=params, headers=self._headers(), timeout=SECONDS
            )
        except requests.RequestException as error:
            raise click.ClickException(
                f"{self.url} does not answer: {type(error).__name__}; is make run running?"
            ) from None
        try:
            content = answer.json()
        except ValueError:
            raise click.ClickException(f"{self.url}{path} answered {answer.status_code} and no JSON") from None
        return content if answer.ok else Failed(content["error"])

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


class Listing(click.Group):
    """A group in which `ls` is also called `list`, and `list` also `ls`: nobody need remember which it is where."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """By its name, or by the other one."""
        other = {"ls": "list", "list": "ls"}.get(cmd_name, cmd_name)
        return super().get_command(ctx, cmd_name) or super().get_command(ctx, other)


class Failed(Exception):
    """The web process refused; `code` is that of its error."""

    def __init__(self, error: Mapping[str, str]) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.code = error["code"]


def shared(command: F) -> F:
    """Let a group or a command take `--url`, `--token` and `--json`: before its name, after it, or at the end."""

    def note(context: click.Context, option: click.Parameter, value: Any) -> None:
        context.find_root().ensure_object(Asked).note(option.name, value)

    options = (
        click.option(
            "--url", expose_value=False, callback=note, help="of the web process; default: as HOST and PORT say"
        ),
        click.option(
            "--token",
            envvar="SPILLWAY_TOKEN",
            expose_value=False,
            callback=note,
            help="who asks, under AUTH=token; better in SPILLWAY_TOKEN, where nobody reads it in a list of processes",
        ),
        click.option("--json", "as_json", is_flag=True, expose_value=False, callback=note, help="print JSON"),
    )
    for option in options:
        command = option(command)
    return command


def show(rows: Sequence[Mapping[str, Any]], asked: Asked) -> None:
    """Print the rows as JSON, or as a table."""
    if asked.as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    table = Table(*(rows[0] if rows else ["nothing"]), box=None, header_style="bold")
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    Console(markup=False, highlight=False).print(table)


def _cell(value: Any) -> str:
    """A value as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def show_list(rows: Sequence[Mapping[str, str]], whole: Sequence[str]) -> None:
    """Print a table with one line a row that fits the screen.

    Columns named in `whole` are never cut. The last one takes what room is left, the others MAX_WIDTH characters.
    """
    if not rows:
        click.echo("nothing")
        return
    console = Console(markup=False, highlight=False)
    names = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    for name in names[:-1]:
        if name not in whole:
            widths[name] = min(widths[name], MAX_WIDTH)
    left = console.width - sum(widths[name] + len(GAP) for name in names[:-1])
    widths[names[-1]] = max(left, len(names[-1]))
    for row in [{name: name for name in names}, *rows]:
        click.echo(GAP.join(_cut(row[name], widths[name]) for name in names).rstrip())


def _cut(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else f"{text[: width - 1]}…"


GAP = "  "
MAX_WIDTH = 14  # characters of a column that may be cut
