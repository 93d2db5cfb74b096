import pytest

from ml_clients.embedded.models import FILES
from ml_clients.embedded.tokenizer import CLS, SEP, UNKNOWN, Tokenizer, words


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(FILES / "vocabulary.json")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", [7592]),
        ("Hello, World!", [7592, 1010, 2088, 999]),
        ("unaffable", [14477, 20961, 3468]),
        ("café CAFÉ", [7668, 7668]),
        ("don't", [2123, 1005, 1056]),
        ("a\tb\nc\u00a0d", [1037, 1038, 1039, 1040]),
        ("$5+5", [1002, 1019, 1009, 1019]),
        ("中国", [1746, 1799]),
        ("zero\u200bwidth", [5717, 9148, 11927, 2232]),
        ("x" * 101, [UNKNOWN]),
        ("🙂", [UNKNOWN]),
        ("", []),
    ],
)
def test_text_gets_the_numbers_bert_uncased_gives_it(tokenizer: Tokenizer, text: str, expected: list[int]) -> None:
    assert tokenizer.encode(text, 128) == [CLS, *expected, SEP]


def test_long_text_is_cut_and_keeps_its_end_mark(tokenizer: Tokenizer) -> None:
    cut = tokenizer.encode("unaffable " * 500, 16)
    assert len(cut) == 16
    assert (cut[0], cut[-1]) == (CLS, SEP)


def test_punctuation_stands_alone_and_accents_go() -> None:
    assert words("Señor—¿qué?") == ["senor", "—", "¿", "que", "?"]
