"""Queries that are asked often, compiled once: the text and order of parameters, run past SQLAlchemy's own machinery.

Building, keying and adapting a statement takes SQLAlchemy 100-200 us, running it 5 (measured on joins of empty rooms).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.dialects import postgresql, sqlite

FOREIGN = {"sqlite": sqlite.dialect(), "postgresql": postgresql.psycopg.dialect()}  # type: ignore[no-untyped-call]  # SQLAlchemy's own
EACH_ROWS = 10_000  # that PostgreSQL sends at once of a list that may be long


class Prepared:
    """A select whose parameters are `bindparam`s, without lists."""

    def __init__(self, statement: Select[Any]) -> None:
        self._texts = {name: _Text(statement, dialect) for name, dialect in FOREIGN.items()}

    def all(self, connection: Connection, **values: Any) -> list[tuple[Any, ...]]:
        """Every row, as the driver gives it."""
        sql = self._texts[connection.dialect.name]
        driver: Any = connection.connection.driver_connection
        return list(driver.execute(sql.text, sql.arguments(values)))

    def each(self, connection: Connection, **values: Any) -> Iterator[tuple[Any, ...]]:
        """One row after the other, of a list that may be too long to be held."""
        sql = self._texts[connection.dialect.name]
        driver: Any = connection.connection.driver_connection
        if connection.dialect.name == "sqlite":
            yield from driver.execute(sql.text, sql.arguments(values))
            return
        with driver.cursor(name="each") as cursor:
            cursor.itersize = EACH_ROWS
            yield from cursor.execute(sql.text, sql.arguments(values))

    def first(self, connection: Connection, **values: Any) -> tuple[Any, ...] | None:
        """The first row, or None."""
        found = self.all(connection, **values)
        return found[0] if found else None


class _Text:
    """A select in the words of one database."""

    def __init__(self, statement: Select[Any], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.text = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._names = compiled.positiontup  # None where parameters have names

    def arguments(self, values: dict[str, Any]) -> Any:
        """As its driver takes them."""
        given = {**self._fixed, **values}
        return given if self._names is None else [given[name] for name in self._names]
