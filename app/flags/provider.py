"""The only place that knows OpenFeature: our provider, and the client that asks it.

Operators who run another flag service give OpenFeature another provider here; nothing else changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import TypeMismatchError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.provider import AbstractProvider, Metadata

from app.flags.rollout import FlagsByTask, in_force, path_for

DOMAIN = "spillway"
MAX_ANSWERS = 100_000  # remembered until the rules change


class RulesProvider(AbstractProvider):
    """Answers the flag of a task (flag key) for a room (targeting key) from the rules as they are now.

    OpenFeature's own InMemoryProvider cannot be updated once it is set.
    """

    def __init__(self, rules: Callable[[], FlagsByTask], default: str) -> None:
        super().__init__()
        self._rules, self._default = rules, default

    def get_metadata(self) -> Metadata:
        """Our name in OpenFeature's records."""
        return Metadata(name=DOMAIN)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """The path: simple, queued or auto."""
        flag, source = in_force(self._rules(), flag_key, self._default)
        room = (evaluation_context.targeting_key if evaluation_context else None) or ""
        reason = Reason.DEFAULT if source == "default" else Reason.SPLIT if flag.percent < 100 else Reason.STATIC
        return FlagResolutionDetails(path_for(flag, flag_key, room), reason=reason, variant=flag.path)

    def resolve_boolean_details(self, *_: Any, **__: Any) -> FlagResolutionDetails[bool]:
        """Every flag is a path."""
        raise TypeMismatchError("a path is a string")

    def resolve_integer_details(self, *_: Any, **__: Any) -> FlagResolutionDetails[int]:
        """Every flag is a path."""
        raise TypeMismatchError("a path is a string")

    def resolve_float_details(self, *_: Any, **__: Any) -> FlagResolutionDetails[float]:
        """Every flag is a path."""
        raise TypeMismatchError("a path is a string")

    def resolve_object_details(
        self, *_: Any, **__: Any
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """Every flag is a path."""
        raise TypeMismatchError("a path is a string")


def ask_with(rules: Callable[[], FlagsByTask], default: str) -> Callable[[str, str], str]:
    """A function of task and room that asks the flag.

    Answers are kept until the rules change: OpenFeature takes 0.1 ms for each, three times for each message, and rooms
    that talk ask for the same again and again. Another provider, which changes unseen, needs a bound in time here.
    """
    api.set_provider(RulesProvider(rules, default), domain=DOMAIN)
    client = api.get_client(domain=DOMAIN)
    kept: dict[tuple[str, str], str] = {}
    of: FlagsByTask | None = None

    def ask(task: str, room: str) -> str:
        nonlocal of
        if of is not rules() or len(kept) > MAX_ANSWERS:
            kept.clear()
            of = rules()
        path = kept.get((task, room))
        if path is None:
            path = kept[task, room] = client.get_string_value(task, "simple", EvaluationContext(targeting_key=room))
        return path

    return ask
