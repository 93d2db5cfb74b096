"""Log lines about a job name its trace, as words and as JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from app.compare.system import ROOT
from app.ids import traceparent

PROGRAM = """
import structlog, sys
from app import logs
logs.set_up(sys.argv[1], "info")
log = structlog.get_logger()
log.info("about a job", job="01abc")
with logs.about_job("01abc"):
    log.info("from inside a task")
log.info("about nothing")
"""


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_line_about_a_job_has_the_trace_of_its_traceparent(form: str) -> None:
    command = [sys.executable, "-c", PROGRAM, form]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr.splitlines()
    trace = traceparent("01abc").split("-")[1]
    assert len(trace) == 32
    if form == "json":
        assert [json.loads(line).get("trace") for line in lines] == [trace, trace, None]
    else:
        assert [trace in line for line in lines] == [True, True, False]
