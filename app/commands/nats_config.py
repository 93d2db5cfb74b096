"""`python -m app nats-config`: accounts on a nats-server of yours, each with the least rights that its process needs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import click

from app.commands.asked import Asked, shared
from app.queue import accounts
from app.queue.accounts import PASSWORD, User
from app.queue.names import Names, names_of
from app.settings import SettingInvalid, from_env

HEAD = """\
# Accounts of Spillway on nats-server, made by `python -m app nats-config`. The passwords are in here: keep it readable by
# the server alone (mode 600), and `include` it in the server's configuration. Each process connects as its own user:
"""


@click.command("nats-config")
@click.option(
    "--lanes",
    multiple=True,
    help="comma-separated lanes of a worker's account; given again, of another worker's [default: one for all lanes]",
)
@click.option(
    "--password",
    "given",
    multiple=True,
    metavar="USER=PASSWORD",
    help="instead of a random one; PASSWORD may be file:PATH, or a hash by `nats server passwd`",
)
@click.option(
    "--callbacks",
    multiple=True,
    metavar="SUBJECT",
    help="where the web process may also publish, and a service hears it",
)
@click.option("--service", is_flag=True, help="also an account for programs that ask for jobs on requests.ROOM.TASK")
@click.option("--nsc", is_flag=True, help="print the nsc commands that make .creds users with the same rights instead")
@shared
@click.pass_obj
def nats_config(
    asked: Asked, lanes: tuple[str, ...], given: tuple[str, ...], callbacks: tuple[str, ...], service: bool, nsc: bool
) -> None:
    """Print accounts for web process, worker and operator on the broker, for NATS_PREFIX and the tasks in app/tasks."""
    from app.tasks import TaskDeclarationInvalid, discover

    try:
        settings = from_env()
        names = names_of(settings)
        known: dict[str, list[str]] = {}
        for task in discover().values():
            known.setdefault(task.lane, []).append(task.name)
    except (SettingInvalid, TaskDeclarationInvalid) as error:
        raise click.ClickException(str(error)) from None
    called = [*settings.nats_callbacks, *callbacks]
    users = [
        accounts.web(names, called),
        *_workers(names, known, lanes),
        accounts.operator(names),
    ]
    if service or settings.nats_intake:
        users.append(accounts.service(names, called))
    users = _with_passwords(users, given)
    if asked.as_json:
        click.echo(json.dumps([_described(user) for user in users], ensure_ascii=False))
    elif nsc:
        click.echo("\n".join(accounts.nsc(user) for user in users))
    else:
        urls = "".join(f"#   {user.name}: NATS_URL={user.url('HOST:4222')}\n" for user in users)
        click.echo(f"{HEAD}{urls}{accounts.configuration(users)}", nl=False)


def _workers(names: Names, known: dict[str, list[str]], asked: tuple[str, ...]) -> list[User]:
    """One account for all lanes, or one for each choice of lanes."""
    chosen = [each.split(",") for each in asked] or [list(known)]
    for lanes in chosen:
        if not set(lanes) <= set(known):
            raise click.ClickException(
                f"--lanes {','.join(lanes)}: the tasks here have lanes {','.join(sorted(known))}"
            )
    role = {",".join(lanes): f"worker-{'-'.join(lanes)}" if len(chosen) > 1 else "worker" for lanes in chosen}
    return [accounts.worker(names, {lane: known[lane] for lane in lanes}, role[",".join(lanes)]) for lanes in chosen]


def _with_passwords(users: Iterable[User], given: tuple[str, ...]) -> list[User]:
    """The users with the passwords that were given instead of random ones."""
    chosen = {}
    for each in given:
        name, equals, password = each.partition("=")
        if not equals:
            raise click.ClickException("--password: expected USER=PASSWORD or USER=file:PATH")
        chosen[name] = _password(name, password)
    known = [user.name for user in users]
    for name in chosen:
        if name not in known:
            raise click.ClickException(f"--password {name}=...: there is no such account: {', '.join(known)} are")
    return [user.with_password(chosen.get(user.name, user.password)) for user in users]


def _password(name: str, given: str) -> str:
    """As given, or what the file has; never repeated in an error."""
    if given.startswith("file:"):
        path = Path(given.removeprefix("file:"))
        try:
            given = path.read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise click.ClickException(f"--password {name}=file:{path} cannot be read") from None
    if not PASSWORD.fullmatch(given):
        raise click.ClickException(
            f"--password {name}=... is not allowed: at least 16 of A-Z a-z 0-9 _ . / $ - are, such as a hash"
        )
    return given


def _described(user: User) -> dict[str, object]:
    rights = {"publish": user.publish, "subscribe": user.subscribe, "answers": user.answers}
    return {"user": user.name, "password": user.password, "inbox": user.inbox, **rights}
