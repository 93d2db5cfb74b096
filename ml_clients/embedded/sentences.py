"""Splits text into sentences, and joins sentences into pieces that a model can take in whole."""

import re

_END = re.compile(r"(?<=[.!?…])\s+|\n+")


def sentences(text: str, longest: int) -> list[str]:
    """The sentences of a text in order, none empty; one over `longest` characters is cut up."""
    found = []
    for sentence in _END.split(text):
        stripped = sentence.strip()
        found += [stripped[at : at + longest] for at in range(0, len(stripped), longest)]
    return found


def pieces(text: str, longest: int) -> list[str]:
    """The text in as few pieces of whole sentences as keep to `longest` characters each."""
    if len(text) <= longest:
        return [text]
    joined: list[str] = []
    for sentence in sentences(text, longest):
        if joined and len(joined[-1]) + 1 + len(sentence) <= longest:
            joined[-1] += " " + sentence
        else:
            joined.append(sentence)
    return joined or [text[:longest]]
