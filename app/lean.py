"""Imports without what they would bring and nobody here uses."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


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
