"""`python -m app token`: a token for somebody, where AUTH_SECRET signs them."""

from __future__ import annotations

from typing import get_args

import click

from app.auth.grant import Role
from app.auth.tokens import issue
from app.commands.asked import Asked, shared, show
from app.payload import Refused
from app.settings import SettingInvalid, from_env

HOUR = 3600.0
MAX_HOURS = 24 * 366


@click.command()
@click.option("--sub", required=True, help="their lasting identity, 1 to 64 characters")
@click.option("--name", help="how they are called [default: --sub]")
@click.option("--rooms", default="", help="names or patterns, such as 'clinic,ward-*' [default: none]")
@click.option("--role", default="member", show_default=True, type=click.Choice(get_args(Role)))
@click.option(
    "--hours", default=8.0, show_default=True, type=click.FloatRange(0, MAX_HOURS, min_open=True), help="it is good for"
)
@shared
@click.pass_obj
def token(asked: Asked, sub: str, name: str | None, rooms: str, role: str, hours: float) -> None:
    """Print a token that this installation accepts. It cannot be taken back before its time is over."""
    try:
        settings = from_env()
        if not settings.auth_secret:
            raise click.ClickException(
                "AUTH_SECRET is empty, so that no token can be signed here: with AUTH_KEYS whoever has the private key does"
            )
        claims = {"sub": sub, "rooms": [each.strip() for each in rooms.split(",") if each.strip()], "role": role}
        made = issue(settings, {**claims, **({"name": name} if name else {})}, hours * HOUR)
    except (SettingInvalid, Refused) as error:
        raise click.ClickException(str(error)) from None
    if asked.as_json:
        show([{"token": made}], asked)
    else:
        click.echo(made)
