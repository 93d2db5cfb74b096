"""`python -m tests.ml_clients.lines`: how the tasks do on lines that were written before their code, for docs/models.md.

Counts what is found and right, found and wrong, and missed; precision is the share of right among found, recall that of
right among wanted.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ml_clients.embedded.answers import Answers, likely_same, read_topics
from ml_clients.embedded.doses import doses
from ml_clients.embedded.encoder import Encoder
from ml_clients.embedded.models import ANSWERS, FILES, SAME
from ml_clients.embedded.personal import redact
from ml_clients.embedded.times import times

HERE = Path(__file__).parent / "lines"
ZONE = "Europe/Berlin"
WRITTEN = datetime(2026, 3, 2, 9, 30, tzinfo=ZoneInfo(ZONE))


class Measured(NamedTuple):
    """What was found and right, found and wrong, and missed; and the lines that went wrong."""

    lines: int
    right: int
    wrong: int
    missed: int
    differences: list[str]

    @property
    def precision(self) -> float:
        """The share of right among found."""
        return self.right / max(1, self.right + self.wrong)

    @property
    def recall(self) -> float:
        """The share of right among wanted."""
        return self.right / max(1, self.right + self.missed)


def read_lines(name: str) -> list[list[str]]:
    """The lines of a file, each in its parts."""
    lines = (HERE / f"{name}.txt").read_text("utf-8").splitlines()
    return [line.split(" | ") for line in lines if line and not line.startswith("#")]


def measured(name: str, find: Callable[[str], Iterable[str]]) -> Measured:
    """What this finds in the lines of a file, held against what should be found there."""
    right = wrong = missed = 0
    differences = []
    lines = read_lines(name)
    for text, *wanted in lines:
        found = list(find(text))
        good = [each for each in found if each in wanted]
        right, wrong, missed = right + len(good), wrong + len(found) - len(good), missed + len(wanted) - len(good)
        if len(good) != len(found) or len(good) != len(wanted):
            differences.append(f"{text}: wanted {wanted}, found {found}")
    return Measured(len(lines), right, wrong, missed, differences)


def personal(text: str) -> list[str]:
    """What `redact` finds, as its file words it."""
    return [f"{found.kind}: {text[found.start : found.end]}" for found in redact(text)[0]]


def amounts(text: str) -> list[str]:
    """What `doses` finds, likewise."""
    return [f"{dose.amount:g} {dose.unit}: {text[dose.start : dose.end]}" for dose in doses(text)]


def moments(text: str) -> list[str]:
    """What `appointment` finds, likewise: the moment counts, and not with how many words it is named."""
    return [meant.at.isoformat() for meant in times(text, WRITTEN, ZONE)]


def of_moments() -> Measured:
    """As `measured`, for moments."""
    right = wrong = missed = 0
    differences = []
    lines = read_lines("appointment")
    for text, *named in lines:
        wanted, found = [each[:25] for each in named], moments(text)
        good = [each for each in found if each in wanted]
        right, wrong, missed = right + len(good), wrong + len(found) - len(good), missed + len(wanted) - len(good)
        if sorted(found) != sorted(wanted):
            differences.append(f"{text}: wanted {wanted}, found {found}")
    return Measured(len(lines), right, wrong, missed, differences)


def of_suggestions(encoder: Encoder) -> Measured:
    """The first suggestion of each line; none is right where none is wanted."""
    answers = Answers(encoder, read_topics(ANSWERS))
    right = wrong = missed = 0
    differences = []
    lines = read_lines("suggest")
    for text, wanted in lines:
        found = next((each.topic for each in answers.suggest(text)), "none")
        right += found == wanted != "none"
        wrong += found not in (wanted, "none")
        missed += wanted not in (found, "none")
        if found != wanted:
            differences.append(f"{text}: wanted {wanted}, found {found}")
    return Measured(len(lines), right, wrong, missed, differences)


def of_likeness(encoder: Encoder) -> Measured:
    """Pairs that mean the same, among pairs that do not."""
    right = wrong = missed = 0
    differences = []
    lines = read_lines("similar")
    for one, other, wanted in lines:
        is_found = bool(likely_same(encoder, one, [other], SAME))
        right += is_found and wanted == "same"
        wrong += is_found and wanted == "other"
        missed += not is_found and wanted == "same"
        if is_found != (wanted == "same"):
            differences.append(f"{one} | {other}: {wanted}")
    return Measured(len(lines), right, wrong, missed, differences)


def everything(encoder: Encoder) -> dict[str, Measured]:
    """Every task that has lines."""
    return {
        "redact": measured("redact", personal),
        "doses": measured("doses", amounts),
        "appointment": of_moments(),
        "suggest": of_suggestions(encoder),
        "similar": of_likeness(encoder),
    }


def main() -> None:
    """Prints a table, and what went wrong."""
    for name, found in everything(Encoder.load(FILES)).items():
        counts = f"{found.right} right, {found.wrong} wrong, {found.missed} missed"
        print(f"{name}: {found.lines} lines, {counts}: precision {found.precision:.2f}, recall {found.recall:.2f}")
        print("".join(f"    {each}\n" for each in found.differences), end="")


if __name__ == "__main__":
    main()
