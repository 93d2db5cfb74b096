"""`python -m ml_clients.embedded.evaluate FILE`: how well triage does on the examples of a file.

Without a file it cross-validates on the training lines: what the figures in triage.py were chosen
by, so that a held-out file stays unseen. With `--calibrate` it fits those of alarm.py in the same way. A file that ends
in .jsonl is a conversation: what triage calls an emergency in it, and how likely.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml_clients.embedded import alarm
from ml_clients.embedded.encoder import Encoder
from ml_clients.embedded.examples import URGENCIES, Example, read_examples
from ml_clients.embedded.features import features
from ml_clients.embedded.models import ALARMS, EXAMPLES, FILES
from ml_clients.embedded.triage import Triage, Verdict

FOLDS = 5
CALIBRATION_ROUNDS = 20_000
CALIBRATION_STEP = 0.05


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


def cross_validate(encoder: Encoder, examples: Sequence[Example], besides: Sequence[Example]) -> list[Judged]:
    """Each example judged by a triage that learnt from the other four fifths."""
    judged = []
    for fold in range(FOLDS):
        others, others_besides = _without(examples, fold), _without(besides, fold)
        judged += judge(Triage.learn(encoder, others, others_besides), examples[fold::FOLDS])
    return judged


def calibrate(encoder: Encoder, examples: Sequence[Example], besides: Sequence[Example]) -> tuple[float, float]:
    """Slope and offset of alarm.py: what makes its probabilities fit how often an emergency was one, among those called one."""
    odds, wanted = [], []
    for fold in range(FOLDS):
        others, others_besides = _without(examples, fold), _without(besides, fold)
        triage, weights = Triage.learn(encoder, others, others_besides), alarm.learn(encoder, others + others_besides)
        for one in judge(triage, [*examples[fold::FOLDS], *besides[fold::FOLDS]]):
            if one.verdict["urgency"] == "emergency":
                odds.append(alarm.log_odds(weights, features(encoder, one.example.text)[None])[0])
                wanted.append(one.example.urgency == "emergency")
    inputs, outcomes = np.array([odds, np.ones(len(odds))]).T, np.array(wanted, float)
    fitted = np.zeros(2)
    for _ in range(CALIBRATION_ROUNDS):
        fitted -= CALIBRATION_STEP * inputs.T @ (1 / (1 + np.exp(-inputs @ fitted)) - outcomes) / len(outcomes)
    return float(fitted[0]), float(fitted[1])


def alarms(triage: Triage, conversation: Sequence[dict[str, str]]) -> str:
    """Every line of a conversation that triage calls an emergency, the likeliest first."""
    found = []
    for number, line in enumerate(conversation, start=1):
        verdict = triage.classify(line["text"])
        if verdict["urgency"] == "emergency":
            found.append((verdict["urgency_probability"], number, f"{line['sender']}: {line['text']}"))
    head = f"{len(conversation)} lines, {len(found)} called an emergency"
    return "\n".join(
        [head, *(f"{likely:5.0%}  line {number:3}  {text}" for likely, number, text in sorted(found)[::-1])]
    )


def _without(examples: Sequence[Example], fold: int) -> list[Example]:
    """All but every fifth: each heading is spread over all folds."""
    return [example for at, example in enumerate(examples) if at % FOLDS != fold]


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
    parser.add_argument("file", nargs="?", type=Path, help="examples to judge, or a conversation (.jsonl)")
    parser.add_argument("--calibrate", action="store_true", help="fit the figures of alarm.py")
    asked = parser.parse_args()
    file: Path | None = asked.file
    encoder, examples, besides = Encoder.load(FILES), read_examples(EXAMPLES), read_examples(ALARMS)
    if asked.calibrate:
        print("SLOPE = {:.2f}\nOFFSET = {:.2f}".format(*calibrate(encoder, examples, besides)))
    elif file is None:
        print(report(cross_validate(encoder, examples, besides)))
    else:
        triage = Triage.learn_once(encoder, examples, besides, FILES)
        if file.suffix == ".jsonl":
            print(alarms(triage, [json.loads(line) for line in file.read_text("utf-8").splitlines()]))
        else:
            print(report(judge(triage, read_examples(file))))


if __name__ == "__main__":
    main()
