"""WordPiece: text to the numbers MiniLM was trained on."""

import json
import unicodedata
from functools import lru_cache
from pathlib import Path

CLS, SEP, UNKNOWN = 101, 102, 100
LONGEST_WORD = 100


class Tokenizer:
    """Splits text as bert-base-uncased does, and names each piece by its number."""

    def __init__(self, vocabulary: dict[str, int]) -> None:
        self._vocabulary = vocabulary
        # Chat repeats its words: most are looked up, few are taken apart.
        self._pieces = lru_cache(maxsize=20_000)(self._take_apart)

    @classmethod
    def from_file(cls, path: Path) -> "Tokenizer":
        """The tokenizer of a `tokenizer.json`, of which only the vocabulary is used."""
        return cls(json.loads(path.read_text("utf-8"))["model"]["vocab"])

    def encode(self, text: str, limit: int) -> list[int]:
        """The numbers of a text, start and end marks included, cut to at most `limit`."""
        numbers = [CLS]
        for word in words(text):
            numbers += self._pieces(word)
            if len(numbers) >= limit:
                break
        return [*numbers[: limit - 1], SEP]

    def _take_apart(self, word: str) -> tuple[int, ...]:
        """Longest known piece first, from the left; a word that does not come out is unknown."""
        if len(word) > LONGEST_WORD:
            return (UNKNOWN,)
        pieces: list[int] = []
        start = 0
        while start < len(word):
            end, number = self._longest(word, start)
            if number is None:
                return (UNKNOWN,)
            pieces.append(number)
            start = end
        return tuple(pieces)

    def _longest(self, word: str, start: int) -> tuple[int, int | None]:
        mark = "##" if start else ""
        for end in range(len(word), start, -1):
            number = self._vocabulary.get(mark + word[start:end])
            if number is not None:
                return end, number
        return start, None


def words(text: str) -> list[str]:
    """The words of a text in lower case, without accents; punctuation and CJK stand alone."""
    if text.isascii():
        plain = text.lower()
    else:
        spread = unicodedata.normalize("NFD", text.lower())
        plain = "".join(letter for letter in spread if unicodedata.category(letter) != "Mn")
    return "".join(map(_apart, plain)).split()


@lru_cache(maxsize=4096)
def _apart(letter: str) -> str:
    """A letter as it goes into the split: itself, set apart by spaces, a space, or nothing."""
    category = unicodedata.category(letter)
    if letter in "\t\n\r" or category == "Zs":
        return " "
    if category in ("Cc", "Cf", "Co") or letter == "\ufffd":
        return ""
    if category[0] == "P" or _is_symbol(letter) or _is_cjk(ord(letter)):
        return f" {letter} "
    return letter


def _is_symbol(letter: str) -> bool:
    # BERT counts every ASCII sign as punctuation, also those Unicode calls symbols ($ + < ^ `).
    return letter.isascii() and not letter.isalnum()


def _is_cjk(code: int) -> bool:
    return (
        0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or 0x20000 <= code <= 0x2CEAF
        or 0xF900 <= code <= 0xFAFF
        or 0x2F800 <= code <= 0x2FA1F
    )
