"""Personal data in a text: phone numbers, mail addresses, dates of birth, card and insurance numbers.

Phone numbers by Google's libphonenumber, check digits by python-stdnum, dates by dateparser: what only looks like one
of them is left alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import phonenumbers
from dateparser import parse  # type: ignore[import-untyped] # it has none
from phonenumbers import PhoneNumberMatcher
from stdnum import luhn
from stdnum.gb import nhs
from stdnum.us import ssn

# A number without a country code is read as one of these.
REGIONS = ("GB", "US", "DE", "FR")
MAX_TRIES = 10_000  # places in one text at which a number is looked for: more than a text of 8,192 characters has
LANGUAGES = ["en", "de", "fr"]
MONTH = r"(?<![a-zä])(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-zä]{0,8}\.?"
MOST_DATES = 20  # of birth in one text are parsed; what looks like further ones counts without
DATE = re.compile(
    rf"\d{{4}}-\d{{1,2}}-\d{{1,2}}|\d{{1,2}}[./-]\d{{1,2}}[./-]\d{{2,4}}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.)?\s+(?:of\s+)?{MONTH},?\s+\d{{2,4}}"
    rf"|{MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?,?\s+\d{{4}}",
    re.IGNORECASE,
)
# A date counts as one of birth where one of these words stands shortly before it.
BIRTH = re.compile(r"\b(?:d\.?o\.?b\b|born|birth\s?(?:day|date)?|geb(?:oren)?\b|geburts\w*|n[ée]e?\b)", re.IGNORECASE)
BIRTH_REACH = 24  # characters between the word and the date
MAIL = re.compile(r"[A-Za-z0-9._%+'-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}")
CARD = re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])")
CARD_PREFIX = re.compile(r"4|5[1-5]|2[2-7]|3[47]|6(?:011|5)|3(?:0|[68])|35")
NHS_CUE = re.compile(r"\bnhs\b", re.IGNORECASE)
NHS_REACH = 24
NHS = re.compile(r"(?<!\d)\d{3}[ -]?\d{3}[ -]?\d{4}(?!\d)")
SSN = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
KVNR = re.compile(r"\b[A-Z]\d{9}\b")  # of the German statutory health insurers


@dataclass(frozen=True)
class Found:
    """One piece of personal data; the end is behind its last character. Positions count code points."""

    kind: str
    start: int
    end: int


def redact(text: str) -> tuple[list[Found], str]:
    """What is personal in a text, in its order, and the text with `[KIND]` in its place."""
    taken: list[Found] = []
    is_taken = bytearray(len(text))
    for found in (*_mails(text), *_cards(text), *_insurances(text), *_births(text), *_phones(text)):
        if not any(is_taken[found.start : found.end]):
            taken.append(found)
            is_taken[found.start : found.end] = b"\1" * (found.end - found.start)
    taken.sort(key=lambda found: found.start)
    parts, at = [], 0
    for found in taken:
        parts += [text[at : found.start], f"[{found.kind}]"]
        at = found.end
    return taken, "".join([*parts, text[at:]])


def _mails(text: str) -> Iterator[Found]:
    return (Found("mail", *each.span()) for each in MAIL.finditer(text))


def _cards(text: str) -> Iterator[Found]:
    for each in CARD.finditer(text):
        digits = re.sub(r"\D", "", each[0])
        if CARD_PREFIX.match(digits) and luhn.is_valid(digits):
            yield Found("card", *each.span())


def _insurances(text: str) -> Iterator[Found]:
    for each in NHS.finditer(text):
        if nhs.is_valid(each[0]) and _stands_before(NHS_CUE, text, each.start(), NHS_REACH):
            yield Found("insurance", *each.span())
    for each in SSN.finditer(text):
        if ssn.is_valid(each[0]):
            yield Found("insurance", *each.span())
    for each in KVNR.finditer(text):  # its check digit is Luhn's, over the letter's place in the alphabet
        if luhn.is_valid(f"{ord(each[0][0]) - 64:02}{each[0][1:]}"):
            yield Found("insurance", *each.span())


def _births(text: str) -> Iterator[Found]:
    near = (each for each in DATE.finditer(text) if _stands_before(BIRTH, text, each.start(), BIRTH_REACH))
    for number, each in enumerate(near):
        if number >= MOST_DATES or parse(each[0], languages=LANGUAGES) is not None:
            yield Found("birth", *each.span())


def _stands_before(cue: re.Pattern[str], text: str, at: int, reach: int) -> bool:
    return cue.search(text, max(0, at - reach), at) is not None


def _phones(text: str) -> Iterator[Found]:
    for region in REGIONS:
        for each in PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.VALID, max_tries=MAX_TRIES):
            yield Found("phone", each.start, each.end)
