"""Sentiment by VADER: a lexicon of English words and emoji with rules for emphasis and negation."""

from typing import TypedDict

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

# VADER's own recommendation for its compound score.
THRESHOLD = 0.05
# Its time grows with the square of the words (and an emoji counts as several): 1,000 emoji take 0.2 s.
LONGEST = 1000


class Sentiment(TypedDict):
    """positive, neutral or negative, and the score from -1 to 1 behind it."""

    label: str
    score: float


class Sentiments:
    """Scores texts; safe to use from many threads."""

    def __init__(self) -> None:
        self._analyzer = SentimentIntensityAnalyzer()

    def score(self, text: str) -> Sentiment:
        """The sentiment of the first 1,000 characters of a text."""
        score = float(self._analyzer.polarity_scores(text[:LONGEST])["compound"])
        if score >= THRESHOLD:
            return {"label": "positive", "score": score}
        if score <= -THRESHOLD:
            return {"label": "negative", "score": score}
        return {"label": "neutral", "score": score}
