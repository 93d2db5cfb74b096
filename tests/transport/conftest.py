"""The application of served.py, once for each mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.transport.peer import Served

MODES = ["eventlet", "threading"]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Served]]:
    """Applications by mode and options; each is started once, when somebody first asks for it."""
    running: dict[Any, Served] = {}
    with ExitStack() as stack:

        def server(mode: str, **options: Any) -> Served:
            key = (mode, *sorted(options.items()))
            if key not in running:
                log = tmp_path_factory.mktemp("served") / "log"
                running[key] = stack.enter_context(Served(mode, log, **options))
            return running[key]

        yield server


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """Both."""
    return str(request.param)


@pytest.fixture
def served(mode: str, servers: Callable[..., Served]) -> Served:
    """The application with what is usual."""
    return servers(mode, max_http_buffer_size=100_000)
