import threading

import pytest

import ml_clients
from ml_clients import summary, triage
from ml_clients.embedded.encoder import Encoder
from ml_clients.embedded.one_at_a_time import BusyError, OneAtATime
from ml_clients.embedded.summary import FEWEST_WORDS, MAX_LINES, summarize
from ml_clients.summary import Said

ROOM = [
    ("Ann", "Hello! My daughter has had a high fever since last night. She is three years old."),
    ("Dr Lee", "Good morning Ann. How high is the fever exactly?"),
    ("Ann", "It was 39.4 this morning.\nShe drinks well but does not want to eat."),
    ("Dr Lee", "Has she got a rash, a stiff neck or trouble breathing?"),
    ("Ann", "No rash. She breathes normally, only her nose is blocked."),
    ("Dr Lee", "Give her paracetamol syrup for the fever, 7.5 ml every six hours, not more than four times a day."),
    ("Ann", "ok"),
    ("Dr Lee", "If the fever is still there on Thursday please bring her in."),
    ("Ann", "Thank you, I will give her the paracetamol and call on Thursday if the fever stays."),
]


def said(room: list[tuple[str, str]]) -> list[Said]:
    return [{"sender": sender, "text": text} for sender, text in room]


@pytest.mark.usefixtures("models")
def test_every_line_is_said_in_the_room_and_in_the_order_of_the_room() -> None:
    lines = summary.summarize(said(ROOM))["lines"]
    whole = " ".join(f"{sender}: {' '.join(text.split())}" for sender, text in ROOM)
    places = [whole.index(line.split(": ", 1)[1]) for line in lines]
    assert len(lines) > 1
    assert places == sorted(places)
    for line in lines:
        sender, sentence = line.split(": ", 1)
        assert any(sender == who and sentence in " ".join(text.split()) for who, text in ROOM)


def test_longer_rooms_get_more_lines_up_to_a_bound(encoder: Encoder) -> None:
    things = ["the fever", "my bill", "an x-ray", "her new tablets", "the password", "our doctor", "his left knee"]
    verbs = ["I asked about", "Nobody has seen", "She wants to change", "They sent us", "We paid a lot for"]
    room = [("Ann", f"{verb} {thing} in week {week}") for week in range(12) for thing in things for verb in verbs]
    lengths = [len(summarize(encoder, room[:count])) for count in (1, 4, 16, 64, 400)]
    assert lengths == sorted(lengths)
    assert lengths[0] == 1
    assert lengths[-1] <= MAX_LINES


def test_the_same_said_again_and_again_is_one_line(encoder: Encoder) -> None:
    assert summarize(encoder, [("Ann", "The fever is high again tonight.")] * 30) == [
        "Ann: The fever is high again tonight."
    ]


def test_short_words_do_not_crowd_out_what_matters(encoder: Encoder) -> None:
    room = [("Bo", "ok"), ("Bo", "yes"), ("Ann", "My father fell down the stairs today."), ("Bo", "thanks")]
    assert summarize(encoder, room) == ["Ann: My father fell down the stairs today."]
    assert FEWEST_WORDS > 1


@pytest.mark.parametrize("room", [[], [("Ann", "")], [("Ann", "\n \n")]])
def test_a_room_without_words_has_no_summary(encoder: Encoder, room: list[tuple[str, str]]) -> None:
    assert summarize(encoder, room) == []


@pytest.mark.slow
@pytest.mark.usefixtures("models")
def test_while_one_long_summary_runs_and_some_wait_small_calls_are_answered_and_more_are_turned_away() -> None:
    # Long enough that the first is still at work when the last of the others asks.
    long = said(
        [
            ("Ann", f"Today in week {at} the patient in bed {at * 7} felt {at} times better than before.")
            for at in range(700)
        ]
    )
    turned_away: list[ml_clients.ModelUnavailable] = []
    answered: list[int] = []

    def ask() -> None:
        try:
            answered.append(len(summary.summarize(long)["lines"]))
        except ml_clients.ModelUnavailable as error:
            turned_away.append(error)

    asking = [threading.Thread(target=ask) for _ in range(12)]
    for thread in asking:
        thread.start()
    assert triage.classify("hello there")["urgency"] == "none"
    for thread in asking:
        thread.join()
    assert len(answered) + len(turned_away) == 12
    assert answered
    assert {error.retry_after for error in turned_away} == {2.0}


def test_one_is_let_through_and_so_many_wait() -> None:
    turn = OneAtATime(waiting=0)
    with turn(), pytest.raises(BusyError), turn():
        pass
    with turn():
        pass
