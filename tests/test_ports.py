"""Whoever starts parts is given ports of its own, also beside others who start some at the same moment."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections import deque

import pytest

from app import ports
from app.compare.system import ROOT
from app.ports import free_port
from tests.guest import WAIT

COUNT = 3
OTHER = """
import sys
from app import ports
ports.FIRST = int(sys.argv[1]); ports.LAST = ports.FIRST + 2
try:
    print(ports.free_port(), flush=True)
except OSError as error:
    print(error, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def first(monkeypatch: pytest.MonkeyPatch) -> int:
    """The first of three ports, which are all there are."""
    found = free_port(*range(1, COUNT))
    for _ in range(COUNT):
        ports._claims.pop().close()
    monkeypatch.setattr(ports, "FIRST", found)
    monkeypatch.setattr(ports, "LAST", found + COUNT - 1)
    monkeypatch.setattr(ports, "_claims", deque(maxlen=ports.KEPT))
    return found


def other(first: int) -> subprocess.Popen[str]:
    """Another process that takes one of them, and keeps it until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", OTHER, str(first)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_nobody_is_given_a_port_twice(first: int) -> None:
    assert {free_port() for _ in range(COUNT)} == {first, first + 1, first + 2}
    with pytest.raises(OSError, match=f"no free port between {first}"):
        free_port()
    with other(first) as late:
        assert late.communicate("", WAIT)[0].startswith("no free port")


def test_a_port_is_free_again_when_the_process_that_took_it_ends(first: int) -> None:
    with other(first) as early:
        assert early.stdout
        taken = int(early.stdout.readline())
        assert {free_port(), free_port()} == {first, first + 1, first + 2} - {taken}
        early.communicate("", WAIT)
    assert free_port() == taken


def test_those_above_it_are_free_too_and_taken_with_it(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "LAST", first)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", first + 1))
        with pytest.raises(OSError, match="no free port"):
            free_port(1)
        assert free_port(2) == first
    monkeypatch.setattr(ports, "FIRST", first + 2)
    monkeypatch.setattr(ports, "LAST", first + 2)
    with pytest.raises(OSError, match="no free port"):
        free_port()
