"""The cases of the Autobahn suite: none fails, and each connection is closed with the right code."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest

from app.compare.system import ROOT
from tests.guest import WAIT

CASES_THAT_MEASURE = ["9.*", "12.*", "13.*"]  # limits and compression; we offer none


@pytest.fixture
def port() -> Iterator[int]:
    """Where echo.py listens."""
    command = [sys.executable, "-m", "tests.transport.echo"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield int(process.stdout.readline().split()[1])
        process.terminate()
        assert process.wait(WAIT) == 0


@pytest.mark.slow
def test_no_autobahn_case_fails(port: int) -> None:
    kosoku = pytest.importorskip("kosoku")

    async def run() -> list[str]:
        try:
            results = await kosoku.run_fuzzingclient(f"127.0.0.1:{port}", None, CASES_THAT_MEASURE, concurrency=4)
        except kosoku.FailureError as failure:
            results = failure.results
        assert len(results) > 200
        return [
            f"{each.case_id}: {each.behavior.value}, {each.behavior_close.value}, closed with {each.remote_close_code}"
            for each in results
            if not each.passed or each.behavior_close.value not in ("OK", "INFORMATIONAL")
        ]

    assert asyncio.run(run()) == []
