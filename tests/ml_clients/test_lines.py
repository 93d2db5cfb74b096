"""What tasks find in lines that were written before their code: the floors of docs/models.md."""

import pytest

from ml_clients.embedded.encoder import Encoder
from tests.ml_clients.lines import Measured, everything, read_lines

FLOORS = {  # precision, recall
    "redact": (0.95, 0.95),
    "doses": (0.95, 0.95),
    "appointment": (0.95, 0.95),
    "suggest": (0.9, 0.8),
    "similar": (0.75, 0.7),
}


@pytest.fixture(scope="module")
def found(encoder: Encoder) -> dict[str, Measured]:
    return everything(encoder)


@pytest.mark.parametrize("name", list(FLOORS))
def test_precision_and_recall_are_not_below_what_is_documented(found: dict[str, Measured], name: str) -> None:
    precision, recall = FLOORS[name]
    assert found[name].precision >= precision, found[name].differences
    assert found[name].recall >= recall, found[name].differences


@pytest.mark.parametrize("name", list(FLOORS))
def test_there_are_at_least_60_lines_with_and_without_something_to_find(name: str) -> None:
    lines = read_lines(name)
    nothing = [line for line in lines if len(line) == 1 or line[-1] in ("none", "other")]
    assert len(lines) >= 60
    assert len(nothing) >= 12
    assert len({line[0] for line in lines if name != "similar"}) in (0, len(lines))
