"""A system with tasks whose text grows, shared by the tests of streams."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.compare.system import System, checkout_with
from tests.guest import Guest
from tests.logs import assert_no_traceback

TASKS = Path(__file__).parent / "tasks"


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the application with the tasks of these tests."""
    files = {path.stem: path.read_text() for path in TASKS.glob("[a-z]*.py")}
    return checkout_with(files, tmp_path_factory.mktemp("streams"))


@pytest.fixture(scope="session")
def telling(checkout: Path, ml_url: str, talker: str) -> Iterator[System]:
    """A running system that can tell stories."""
    models = {"ML_URL": ml_url, "LLM_URL": f"{talker}/v1", "LLM_MODEL": "synthetic"}
    with System(None, checkout, True, None, RATE_LIMIT="off", ACK_WAIT="1", **models) as system:
        yield system
        assert_no_traceback(system.log)


@pytest.fixture(params=["simple", "queued"])
def path(request: pytest.FixtureRequest, telling: System) -> str:
    """The path of stories, and of drafts."""
    for task in ("story", "reply"):
        telling.flag(request.param, task)
    return str(request.param)


@pytest.fixture
def told(telling: System, path: str, guests: Callable[..., Guest], room: str) -> Guest:
    """Somebody in a room in which stories are told."""
    guest = guests(telling.url, "Ann")
    guest.join(room)
    return guest


def key() -> str:
    """One that nobody has used."""
    return secrets.token_hex(8)
