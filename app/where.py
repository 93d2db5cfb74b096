"""Where in our own code something happens, as FILE:LINE: what a person looks for in a traceback."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import CodeType, TracebackType

ROOT = Path(__file__).resolve().parents[1]
OWN = (f"{ROOT}/app/", f"{ROOT}/ml_clients/")  # where it is installed, the libraries are beside it

Step = tuple[CodeType, int]  # a frame's code, and the line it is at


def steps_of(trace: TracebackType | None) -> list[Step]:
    """The frames of a traceback, the outermost first."""
    steps = []
    while trace is not None:
        steps.append((trace.tb_frame.f_code, trace.tb_lineno))
        trace = trace.tb_next
    return steps


def innermost(steps: Iterable[Step], files: tuple[str, ...] = OWN) -> str | None:
    """The last of these frames whose file begins like this; None when there is none."""
    found = None
    for code, line in steps:
        if code.co_filename.startswith(files):
            path = Path(code.co_filename)
            found = f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{line}"
    return found


def place_of(error: BaseException) -> str:
    """The innermost line of ours that the error came through."""
    return innermost(steps_of(error.__traceback__)) or type(error).__name__
