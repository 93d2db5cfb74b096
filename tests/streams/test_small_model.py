"""With the real small model, as `LLM=1 make run` starts it: drafts stream, survive refreshes, and stop."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator

import pytest

from app.compare.system import System
from ml_clients.small_llm.__main__ import WEIGHTS
from tests.guest import Guest
from tests.streams.test_streams import joined, pieces

REFRESHES = 20


@pytest.fixture(scope="module")
def drafting(parts: None) -> Iterator[System]:
    """A system with the small model."""
    if importlib.util.find_spec("xllamacpp") is None or not WEIGHTS.is_file():
        pytest.skip("the small language model is not installed: `LLM=1 make run` does it")
    with System(LLM="1", RATE_LIMIT="off") as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("path", ["simple", "queued"])
def test_the_small_model_drafts_through_twenty_refreshes(
    drafting: System, path: str, guests: Callable[..., Guest], room: str
) -> None:
    drafting.flag(path, "reply")
    ann = guests(drafting.url, "Ann")
    ann.join(room)
    ann.say(room, "I have had a headache since Monday. May I take my tablets with milk?")
    job = ann.ask(room, "reply")
    ann.saw("job:delta", job=job["id"])
    seen = []
    for _ in range(REFRESHES):
        late = guests(drafting.url, "Ben")
        found = {each["id"]: each for each in late.join(room, after=0)["jobs"]}[job["id"]]
        seen.append((late, found))
    final = ann.final(job["id"])
    assert final["state"] == "succeeded", final
    text = final["result"]["text"]
    assert text == joined(pieces(ann, final))
    assert final["result"]["usage"]["completion_tokens"] > 0
    for late, found in seen:
        if found["state"] == "succeeded":
            assert found["result"]["text"] == text
            continue
        late.final(job["id"])
        start = found.get("text", "")
        after = [each for each in pieces(late, final) if each["offset"] + len(each["text"]) > len(start)]
        assert joined(after, start) == text
