"""A process that hears nobody shares its database with nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.ownership.processes import WITHOUT_NATS
from tests.cluster import Cluster
from tests.faults.several import KEY
from tests.guest import WAIT
from tests.web import Web, ended

pytestmark = pytest.mark.slow


def test_a_second_process_without_nats_refuses_to_start(cluster: Cluster, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"DATABASE_URL": cluster.database(), "SECRET_KEY": KEY}
    with Web(tmp_path / "one", **settings):
        second = ended(["wsgi.py"], {"DATA_DIR": str(tmp_path / "two"), "PORT": "0", **settings})
    assert second.returncode == 2
    assert second.stderr.strip().endswith(WITHOUT_NATS)


def test_one_that_was_killed_is_waited_for(cluster: Cluster, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"DATABASE_URL": cluster.database(), "SECRET_KEY": KEY}
    with Web(tmp_path / "one", **settings) as web:
        web.process.kill()
        web.process.wait(WAIT)
        web.start()
        assert web.process.poll() is None
