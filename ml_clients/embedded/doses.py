"""Amounts of medicines in a text, with units normalised by pint: masses in mg, volumes in mL, and what is counted."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

WORDS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "eight": 8, "ten": 10}
MEASURED = {  # as written to what pint knows
    **dict.fromkeys(("mcg", "µg", "μg", "ug", "microgram", "micrograms"), "microgram"),
    **dict.fromkeys(("mg", "milligram", "milligrams"), "milligram"),
    **dict.fromkeys(("g", "gram", "grams"), "gram"),
    **dict.fromkeys(("ml", "milliliter", "milliliters", "millilitre", "millilitres"), "milliliter"),
    **dict.fromkeys(("l", "liter", "liters", "litre", "litres"), "liter"),
}
SPOONS = {"teaspoon": 5.0, "tablespoon": 15.0}  # mL, as medicines are measured
COUNTED = {
    **dict.fromkeys(("tablet", "tablets", "pill", "pills", "capsule", "capsules", "tab", "tabs"), "tablet"),
    **dict.fromkeys(("drop", "drops"), "drop"),
    **dict.fromkeys(("puff", "puffs"), "puff"),
    **dict.fromkeys(("iu", "unit", "units"), "IU"),
}
UNITS = sorted((*MEASURED, *COUNTED, *(f"{spoon}{s}" for spoon in SPOONS for s in ("", "s"))), key=len, reverse=True)
NUMBER = r"[0-9]{1,3}(?:,[0-9]{3}){1,2}(?:\.[0-9]{1,6})?|[0-9]{1,4}/[0-9]{1,4}|[0-9]{1,9}(?:[.,][0-9]{1,6})?"
DOSE = re.compile(
    rf"(?<![\w./,])(?:(?P<times>[0-9]{{1,2}})\s*[x×]\s*)?(?:(?P<low>{NUMBER})\s*(?:-|–|to)\s*)?"
    rf"(?P<number>{NUMBER}|half an?|{'|'.join(WORDS)})\s*(?P<unit>{'|'.join(UNITS)})(?![\w/])",
    re.IGNORECASE | re.ASCII,  # else letters such as the long s count as ours
)


@dataclass(frozen=True)
class Dose:
    """One amount, where it stands (in code points), and its unit: mg, mL, IU, tablet, drop or puff."""

    start: int
    end: int
    amount: float
    unit: str


def doses(text: str) -> list[Dose]:
    """Every amount of a medicine, in their order; of a range both ends."""
    return [dose for each in DOSE.finditer(text) for dose in _read(each)]


def _read(found: re.Match[str]) -> Iterator[Dose]:
    times, unit = int(found["times"] or 1), found["unit"].lower()
    if found["low"] is not None:
        yield Dose(*found.span("low"), *_normal(_number(found["low"]), unit))
        yield Dose(found.start("number"), found.end(), *_normal(_number(found["number"]), unit))
    elif not (found["number"].lower() in ("a", "an") and unit in MEASURED):  # "a g" is no amount
        yield Dose(found.start(), found.end(), *_normal(times * _number(found["number"]), unit))


def _number(text: str) -> float:
    text = text.lower()
    if text.startswith("half"):
        return 0.5
    if text in WORDS:
        return WORDS[text]
    if "/" in text:
        above, below = text.split("/")
        return int(above) / int(below) if int(below) else 0.0
    return float(text.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", text) else text.replace(",", "."))


@cache
def _units() -> Any:
    """All that pint knows: made when the first amount is read, for it takes half a second."""
    import pint

    return pint.UnitRegistry(cache_folder=None)


def _normal(amount: float, unit: str) -> tuple[float, str]:
    if unit in COUNTED:
        return amount, COUNTED[unit]
    if (spoon := unit.removesuffix("s")) in SPOONS:
        return amount * SPOONS[spoon], "mL"
    quantity = _units().Quantity(amount, MEASURED[unit])
    if quantity.check("[mass]"):
        return round(float(quantity.to("milligram").magnitude), 6), "mg"
    return round(float(quantity.to("milliliter").magnitude), 6), "mL"
