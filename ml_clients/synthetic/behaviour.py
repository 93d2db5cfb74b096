"""How long each model seems to take, and how often it fails; drawn from a seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import Annotated

import msgspec
from msgspec import Meta

MODELS = (
    *("triage", "language", "sentiment", "summary", "monochrome"),
    *("redact", "suggest", "similar", "appointment", "doses", "thumbnail", "barcode", "ocr", "transcribe"),
)


class Times(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A log-normal time, as served models have it: the median, the spread of its logarithm, and the share that fails."""

    median_ms: Annotated[float, Meta(ge=0, le=600_000)]
    sigma: Annotated[float, Meta(ge=0, le=3)] = 0.3
    failures: Annotated[float, Meta(ge=0, le=1)] = 0.0


DEFAULT = Times(5.0)


class Behaviour:
    """What each request meets: a time to wait, and whether it fails."""

    def __init__(self, times: Mapping[str, Times], seed: int) -> None:
        self._times = times
        self._random = {model: Random(f"{seed} {model}") for model in MODELS}  # noqa: S311 - a load, not a secret

    def next(self, model: str) -> tuple[float, bool]:
        """Seconds until the answer, and whether it is a failure; each model has a sequence of its own."""
        times, random = self._times.get(model, DEFAULT), self._random[model]
        wait = times.median_ms / 1000 * math.exp(random.gauss(0.0, times.sigma))
        return wait, random.random() < times.failures
