"""Processes of the kind that tests/jobs/process.py makes, ended at the end."""

from __future__ import annotations

from tests.jobs.conftest import start

__all__ = ["start"]
