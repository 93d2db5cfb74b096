"""Imports without what they would bring and nobody here uses."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any


@contextlib.contextmanager
def without(*libraries: str) -> Iterator[None]:
    """As if these were not installed, for what is imported meanwhile; afterwards they can be had as ever."""
    hidden = [name for name in libraries if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is how Python notes what is not there
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


class _PutOff(ModuleType):
    """Stands in for a module until somebody wants something of it, such as its `__path__`."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def put_off(library: str) -> None:
    """Load this library once somebody uses it, and not because somebody imports it."""
    sys.modules.setdefault(library, _PutOff(library))
