"""What a professional might answer next: a draft for them to check, which those who asked never see."""

from collections.abc import Generator
from pathlib import Path
from typing import NotRequired, TypedDict

from app.tasks import Delta, Line, task
from ml_clients import llm as model

PROMPT = Path(__file__).parents[1] / "prompts" / "reply.md"  # for a team to edit: it is read at each run
ANSWER_TOKENS = 300
MAX_CHARACTERS = 10_000  # after which a model that does not stop is let go


class Reply(TypedDict):
    """The draft, and how many tokens it took as far as the server says."""

    text: str
    usage: model.Usage
    truncated: NotRequired[bool]


@task(history=50, lane="llm", draft=True, attempts=3, timeout=120, deadline=300, needs="LLM_URL", chip="{text}")
def reply(history: list[Line]) -> Generator[Delta, None, Reply]:
    """Draft of an answer"""
    pieces, length = model.answer(question(history, model.context_tokens()), ANSWER_TOKENS), 0
    try:
        while length <= MAX_CHARACTERS:
            piece = next(pieces)
            length += len(piece)
            yield Delta(piece)
    except StopIteration as ended:
        return Reply(text="", usage=ended.value)
    finally:
        pieces.close()
    return Reply(text="", usage={})


def question(history: list[Line], context: int) -> list[model.Message]:
    """What the model is asked: the prompt, and the newest messages that fit beside it and the answer."""
    prompt = PROMPT.read_text("utf-8")
    left = context - ANSWER_TOKENS - model.tokens(prompt) - model.tokens(_asked([]))
    lines: list[str] = []
    for line in reversed(history):
        said = f"{line['sender']}: {line['text']}"
        left -= model.tokens(said)
        if left < 0:
            break
        lines.insert(0, said)
    return [{"role": "system", "content": prompt}, {"role": "user", "content": _asked(lines)}]


def _asked(lines: list[str]) -> str:
    return "The chat:\n\n" + "\n".join(lines) + "\n\nWrite the next answer, and nothing else."
