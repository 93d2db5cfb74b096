"""A store on a file of its own, and a loop that runs while a test says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.store.store import Store
from tests.own_loop import OwnLoop


@pytest.fixture
def own() -> Iterator[OwnLoop]:
    """A loop; its threads have ended when it closes."""
    made = OwnLoop()
    yield made
    made.join()
    made.close()


@pytest.fixture
def store(own: OwnLoop, tmp_path: Path) -> Iterator[Store]:
    """An open store."""
    opened = Store(f"sqlite:///{tmp_path / 'x.db'}", own)
    yield opened
    own.run(opened.close())
