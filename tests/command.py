"""Operator commands in this process, which spares each of them the start of an interpreter."""

from __future__ import annotations

from subprocess import CompletedProcess

from click.testing import CliRunner

from app.__main__ import main
from app.settings import Settings


def command(*words: str, **settings: str) -> CompletedProcess[str]:
    """How `python -m app WORDS` ends with these settings and no others; an error that is not foreseen is raised."""
    others = dict.fromkeys(name.upper() for name in Settings.__dataclass_fields__)
    ran = CliRunner().invoke(
        main, words, env={**others, "COLUMNS": "80", **settings}, catch_exceptions=False, prog_name="python -m app"
    )
    return CompletedProcess(words, ran.exit_code, ran.stdout, ran.stderr)
