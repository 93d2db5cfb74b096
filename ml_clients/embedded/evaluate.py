"""`python -m ml_clients.embedded.evaluate FILE`: how well triage does on the examples of a file.

Without a file it cross-validates on the training lines: what the figures in triage.py were chosen
by, so that a held-out file stays unseen.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_clients.embedded.encoder import Encoder
from ml_clients.embedded.examples import URGENCIES, Example, read_examples
from ml_clients.embedded.models import EXAMPLES, FILES
from ml_clients.embedded.triage import Triage, Verdict

FOLDS = 5


@dataclass(frozen=True)
class Judged:
    """An example and what triage said of it."""

    example: Example
    verdict: Verdict

    @property
    def intent_right(self) -> bool:
        """Whether the intent is the one wanted."""
        return self.example.intent == self.verdict["intent"]

    @property
    def urgency_right(self) -> bool:
        """Whether the urgency is the one wanted."""
        return self.example.urgency == self.verdict["urgency"]


def judge(triage: Triage, examples: Sequence[Example]) -> list[Judged]:
    """What triage says of each example."""
    return [Judged(example, triage.classify(example.text)) for example in examples]


def cross_validate(encoder: Encoder, examples: Sequence[Example]) -> list[Judged]:
    """Each example judged by a triage that learnt from the other four fifths."""
    judged = []
    for fold in range(FOLDS):
        # Every fifth line: each heading is spread over all folds.
        others = [example for at, example in enumerate(examples) if at % FOLDS != fold]
        judged += judge(Triage.learn(encoder, others), examples[fold::FOLDS])
    return judged


def report(judged: Sequence[Judged]) -> str:
    """Shares that are right, the confusion of urgencies, and every line that went wrong."""
    lines = [
        f"{len(judged)} lines",
        f"intent right   {_share([one.intent_right for one in judged])}",
        f"urgency right  {_share([one.urgency_right for one in judged])}",
        "",
        "urgency: wanted (rows) and said (columns)",
        f"{'':>10}" + "".join(f"{said:>11}" for said in URGENCIES),
    ]
    pairs = Counter((one.example.urgency, one.verdict["urgency"]) for one in judged)
    lines.extend(f"{wanted:>10}" + "".join(f"{pairs[wanted, said]:>11}" for said in URGENCIES) for wanted in URGENCIES)
    wrong = [one for one in judged if not (one.intent_right and one.urgency_right)]
    return "\n".join([*lines, "", *map(_difference, wrong)])


def _share(right: Sequence[bool]) -> str:
    return f"{sum(right)}/{len(right)} = {sum(right) / len(right):.1%}"


def _difference(one: Judged) -> str:
    wanted = f"{one.example.intent} {one.example.urgency}"
    return f"{wanted} -> {one.verdict['intent']} {one.verdict['urgency']}: {one.example.text}"


def main() -> None:
    """Prints the report."""
    parser = argparse.ArgumentParser(prog="python -m ml_clients.embedded.evaluate")
    parser.add_argument("file", nargs="?", type=Path, help="examples to judge")
    file: Path | None = parser.parse_args().file
    encoder, examples = Encoder.load(FILES), read_examples(EXAMPLES)
    if file is None:
        print(report(cross_validate(encoder, examples)))
    else:
        print(report(judge(Triage.learn_once(encoder, examples, FILES), read_examples(file))))


if __name__ == "__main__":
    main()
