"""What we know of python-engineio and python-socketio beyond their documentation is still so."""

from __future__ import annotations

import importlib.metadata
import inspect

import engineio
import pytest
import socketio

from app.compare.system import ROOT
from app.transport.upstream import PRIVATE, WRITTEN_FOR
from app.transport.upstream.engine import Engine
from app.transport.upstream.everywhere import Everywhere
from app.transport.upstream.rooms import Rooms
from app.transport.upstream.server import Server

CLASSES = {
    "engineio.Server": (engineio.Server, Engine),
    "socketio.Server": (socketio.Server, Server),
    "socketio.Manager": (socketio.Manager, Rooms),
    "socketio.PubSubManager": (socketio.PubSubManager, Everywhere),
}


@pytest.mark.parametrize("package", WRITTEN_FOR)
def test_the_versions_are_those_it_was_written_for(package: str) -> None:
    assert importlib.metadata.version(package) == WRITTEN_FOR[package], (
        "read what changed in PRIVATE, then raise it here"
    )
    assert f"{package}=={WRITTEN_FOR[package]}" in (ROOT / "requirements.in").read_text().split()


@pytest.mark.parametrize(("owner", "name"), [(owner, name) for owner, names in PRIVATE.items() for name in names])
def test_a_private_name_is_there_and_takes_what_we_give(owner: str, name: str) -> None:
    theirs, ours = (getattr(each, name, None) for each in CLASSES[owner])
    assert callable(theirs), f"{owner}.{name} is gone"
    if ours is not theirs:
        assert _positional(ours) >= _positional(theirs), f"{owner}.{name} takes more than it did"


@pytest.mark.parametrize(
    ("instance", "name"),
    [
        (engineio.Server(async_mode="threading"), name)
        for name in ("sockets", "handlers", "ping_interval", "ping_timeout", "ping_interval_grace_period")
    ]
    + [(socketio.Server(async_mode="threading"), name) for name in ("eio", "environ", "_binary_packet", "namespaces")]
    + [(socketio.Manager(), name) for name in ("rooms", "callbacks", "pending_connect", "pending_disconnect")],
)
def test_an_attribute_we_use_is_there(instance: object, name: str) -> None:
    assert hasattr(instance, name)


def _positional(function: object) -> int:
    parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]  # looked at above
    return sum(each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters)
