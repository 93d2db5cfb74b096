"""What is personal is taken out of a text, and nothing else."""

from ml_clients.embedded.personal import Found, redact


def test_positions_count_code_points_and_fit_the_text() -> None:
    text = "😀 é 中 ann@example.org!"
    found, without = redact(text)
    assert found == [Found("mail", 6, 21)]
    assert without == "😀 é 中 [mail]!"


def test_what_overlaps_is_found_once() -> None:
    found, without = redact("my card: 4111 1111 1111 1111")  # some of its digits would be a phone number
    assert ([each.kind for each in found], without) == (["card"], "my card: [card]")


def test_several_are_told_in_the_order_of_the_text() -> None:
    found, _ = redact("SSN 536-90-4399, call 020 7946 0018 or x@example.org, born 1 May 1980")
    assert [each.kind for each in found] == ["insurance", "phone", "mail", "birth"]


def test_numbers_with_a_wrong_check_digit_stay() -> None:
    for text in ("4111 1111 1111 1112", "SSN 000-12-3456", "A123456781"):
        assert redact(text) == ([], text)


def test_nothing_is_left_in_a_long_text_that_is_full_of_numbers() -> None:
    refused = "1234 5678 9 " * 500
    numbers = "call +49 170 1234567 or " * 90
    births = "born 1.2.1980, " * 100
    found, text = redact(refused + numbers + births)
    assert len([each for each in found if each.kind == "phone"]) == 90
    assert len([each for each in found if each.kind == "birth"]) == 100
    assert "1234567" not in text
    assert "1980" not in text
