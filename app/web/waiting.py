"""How a request waits for what is done on the loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

Wait = Callable[[Coroutine[Any, Any, Any]], Any]  # the coroutine's value; its exceptions are raised here
