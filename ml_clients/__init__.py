"""Plain Python clients of model servers: one module a model, one plain HTTP call each.

Nothing here knows of Spillway: no web framework, no sockets of its own, no reading of the
environment. Each call blocks the caller only (its thread, or its green thread where the standard
library is patched) and ends within its deadline, with a value or with one of the errors below.
"""

from ml_clients.deadline import within
from ml_clients.errors import (
    ModelAnswerInvalid,
    ModelError,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
)
from ml_clients.stop import Stop, Stopped, stoppable
from ml_clients.transport import configure

__all__ = [
    "ModelAnswerInvalid",
    "ModelError",
    "ModelRefused",
    "ModelTimeout",
    "ModelUnavailable",
    "Stop",
    "Stopped",
    "configure",
    "stoppable",
    "within",
]
