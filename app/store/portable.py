"""What SQLite and PostgreSQL say in different words, under one name each."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Float, Table, Text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def upsert(connection: Connection, table: Table, values: dict[str, Any], changes: dict[str, Any] | None = None) -> None:
    """Insert a row, or change the one with its primary key: everything that is given, or `changes` where they are."""
    upsert_all(connection, table, [values], changes or values)


def upsert_all(connection: Connection, table: Table, rows: list[dict[str, Any]], changes: dict[str, Any]) -> None:
    """Insert these rows, or change those with their primary keys.

    Among `changes` a function gets the row that was to be inserted, and returns the value.
    """
    statement = INSERTS[connection.dialect.name](table)
    chosen = {name: value(statement.excluded) if callable(value) else value for name, value in changes.items()}
    connection.execute(
        statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=chosen), rows
    )


class json_text(FunctionElement[str]):  # noqa: N801 - reads as a function of SQL
    """`json_text(column, key)`: the text under this key of a JSON object that is kept as text."""

    type = Text()
    inherit_cache = True


class stored_order(FunctionElement[float]):  # noqa: N801 - likewise
    """`stored_order(messages.c.at)`: what messages are sorted by to have them as they were stored, without a sort."""

    type = Float()
    inherit_cache = True


@compiles(json_text, "sqlite")
def _(element: Any, compiler: SQLCompiler, **given: Any) -> str:
    column, key = element.clauses
    return f"json_extract({compiler.process(column, **given)}, '$.' || {compiler.process(key, **given)})"


@compiles(json_text, "postgresql")
def _(element: Any, compiler: SQLCompiler, **given: Any) -> str:
    column, key = element.clauses
    return f"(({compiler.process(column, **given)})::json ->> {compiler.process(key, **given)})"


@compiles(stored_order, "sqlite")
def _(element: Any, _: SQLCompiler, **__: Any) -> str:
    return f"{element.clauses.clauses[0].table.name}.rowid"


@compiles(stored_order, "postgresql")
def _(element: Any, compiler: SQLCompiler, **given: Any) -> str:
    return compiler.process(element.clauses.clauses[0], **given)  # which has an index there
