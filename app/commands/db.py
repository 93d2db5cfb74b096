"""`python -m app db`: which version the database has, and bringing it up to date before a start does."""

from __future__ import annotations

import click

from app.commands.asked import Asked, shared, show
from app.settings import SettingInvalid, from_env


@click.group()
@shared
def db() -> None:
    """The database that DATABASE_URL or DATA_DIR names, without a web process."""


@db.command()
@shared
@click.pass_obj
def current(asked: Asked) -> None:
    """Which version it has, and which this Spillway brings it to; also while it is in use."""
    _run(asked, upgrade=False)


@db.command()
@shared
@click.pass_obj
def upgrade(asked: Asked) -> None:
    """Bring it up to date, as every start does; a SQLite file must not be in use."""
    _run(asked, upgrade=True)


def _run(asked: Asked, upgrade: bool) -> None:
    from app.store import migrations
    from app.store.errors import StoreRefused, StoreUnavailable
    from app.store.opening import upkeep as opened

    try:
        with opened(from_env().database, changes=upgrade) as (engine, name):
            if upgrade:
                migrations.bring_up_to_date(engine, name)
            version = migrations.current(engine) or "none"
    except (SettingInvalid, StoreRefused, StoreUnavailable) as error:
        raise click.ClickException(str(error)) from None
    show([{"database": name, "version": version, "newest": migrations.NEWEST}], asked)
