"""PostgreSQL's side of a group: one function that stores all of its rows, so that a group is one round trip.

It is made anew on each connection that writes, in the schema that only this connection sees: two releases of Spillway on
one database each have their own. It is a function and not one statement, as the parts of one statement do not see what
the others change, and a job may be accepted and start in the same group. Rows come as JSON, which costs the client least
(docs/adr/0007-postgresql.md has the measurements).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Column

from app.store.operation import Rows
from app.store.postgres.errors import FENCED, OUTRUN
from app.store.statements import STATEMENTS, Forget, Insert, MustBe, Statement, Update

CALL = "SELECT pg_temp.write_group(%s, %s, %s)"
NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # as JSON has it, and not after an odd number of backslashes
KINDS = {str: "text", int: "bigint", float: "float", bool: "boolean"}

# Whoever is first with a ticket has it: the group (1), or those who want to know what became of it (0).
TAKE_TICKET = "INSERT INTO marks (name, n) VALUES (%s, 0) ON CONFLICT DO NOTHING"
TICKET = "SELECT n FROM marks WHERE name = %s"
REMOVE_TICKET = "DELETE FROM marks WHERE name = %s"
IS_REGISTERED = "SELECT FROM processes WHERE id = %s AND since = %s FOR KEY SHARE"
WITHDRAW = [
    "DELETE FROM messages USING jsonb_array_elements(%s::jsonb->'message') r"
    " WHERE messages.room = r->>0 AND messages.seq = (r->>1)::bigint AND messages.id = r->>2",
    "DELETE FROM jobs USING jsonb_array_elements(%s::jsonb->'job') r WHERE jobs.n = (r->>0)::bigint AND jobs.id = r->>1",
]
_TICKET = f"""
    INSERT INTO marks (name, n) VALUES (ticket, 1) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '{OUTRUN}', MESSAGE = 'this connection was given up';
    END IF;
    DELETE FROM marks WHERE name = last_ticket;"""  # noqa: S608 - our own words
# Whoever takes over the rooms of a process removes its row first, and waits for what is on its way.
_FENCE = f"""
    IF rows ? 'fence' THEN
        PERFORM FROM processes
        WHERE id = rows->'fence'->0->>0 AND since = (rows->'fence'->0->>1)::float FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = '{FENCED}', MESSAGE = 'the process is not registered';
        END IF;
    END IF;"""


def definition() -> str:
    """What makes the function."""
    parts = "".join(
        f"\n    IF rows ? '{name}' THEN{_sql(name, each)}\n    END IF;" for name, each in STATEMENTS.items()
    )
    return (
        "CREATE OR REPLACE FUNCTION pg_temp.write_group(rows jsonb, ticket text, last_ticket text) RETURNS void\n"
        f"LANGUAGE plpgsql AS $$\nBEGIN{_TICKET}{_FENCE}{parts}\nEND $$"
    )


def as_json(rows: Rows) -> str:
    """What the function takes: of two rows for one key the later one, and U+FFFD for NUL, which no text may hold there."""
    text = msgspec.json.encode(_last_of_each(rows)).decode()
    return NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text


def _last_of_each(rows: Rows) -> Rows:
    return {
        name: list({key(row): row for row in given}.values())
        if len(given) > 1 and (key := _key(name)) is not None
        else given
        for name, given in rows.items()
    }


def _key(name: str) -> Callable[[tuple[Any, ...]], Any] | None:
    """What tells rows of a statement apart, of which the last alone is to count."""
    statement = STATEMENTS.get(name)
    if isinstance(statement, Update):
        return itemgetter(-1)
    if isinstance(statement, Insert):
        return itemgetter(*range(len(statement.table.primary_key))) if statement.replace else None
    return tuple  # the same is checked once


def _sql(name: str, statement: Statement) -> str:
    table = statement.table
    source = f"jsonb_array_elements(rows->'{name}') r"
    match statement:
        case Insert():
            names, values = ", ".join(statement.columns), ", ".join(map(_value, range(100), table.columns))
            return f"\n        INSERT INTO {table.name} ({names}) SELECT {values} FROM {source}{_replacing(statement)};"  # noqa: S608 - our names
        case Update():
            columns = [table.c[column] for column in statement.columns]
            changes = [f"{column.name} = {_value(index, column)}" for index, column in enumerate(columns)]
            changes += filter(None, [statement.fixed])
            same = f"{table.name}.{statement.key} = {_value(len(columns), table.c[statement.key])}"
            return f"\n        UPDATE {table.name} SET {', '.join(changes)} FROM {source} WHERE {same};"  # noqa: S608 - our names
        case Forget():
            same = f"{table.name}.{statement.key} = {_value(0, table.c[statement.key])}"
            return f"\n        DELETE FROM {table.name} USING {source} WHERE {same};"  # noqa: S608 - our names
        case MustBe():
            there = f"SELECT FROM {table.name} WHERE {statement.key} = r->>0 AND {statement.condition} FOR UPDATE"
            return (
                f"\n        IF EXISTS (SELECT FROM {source} WHERE NOT EXISTS ({there})) THEN"
                "\n            RAISE unique_violation;\n        END IF;"
            )


def _replacing(statement: Insert) -> str:
    if not statement.replace:
        return ""
    key = ", ".join(column.name for column in statement.table.primary_key)
    changes = ", ".join(f"{name} = excluded.{name}" for name in statement.columns)
    return f"\n            ON CONFLICT ({key}) DO UPDATE SET {changes}"


def _value(index: int, column: Column[Any]) -> str:
    return f"(r->>{index})::{KINDS[column.type.python_type]}"
