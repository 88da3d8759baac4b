"""Dates and amounts in one form: what else a text's figures could be asked by. Pure.

`2021-05-04`, `4 de mayo de 2021` and `May 4, 2021` are one day; `1.500`, `1,500` and `1500` are one number.
"""

import re

from tools.text.words import fold

MONTHS = tuple(
    pair.split()
    for pair in (
        "enero january",
        "febrero february",
        "marzo march",
        "abril april",
        "mayo may",
        "junio june",
        "julio july",
        "agosto august",
        "septiembre september",
        "octubre october",
        "noviembre november",
        "diciembre december",
    )
)
_ORDINALS = {
    name: number
    for number, names in enumerate(
        (
            "first primer primera primero",
            "second segunda segundo",
            "third tercer tercera tercero",
            "fourth cuarta cuarto",
            "fifth quinta quinto",
            "sixth sexta sexto",
            "seventh septima septimo",
            "eighth octava octavo",
            "ninth novena noveno",
            "tenth decima decimo",
        ),
        1,
    )
    for name in names.split()
}
_NUMBER_OF = {name: number for number, names in enumerate(MONTHS, 1) for name in names}
_NAMES = "|".join(_NUMBER_OF)
_ISO = re.compile(r"\b(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})\b")
_SLASHED = re.compile(r"\b(?P<day>\d{1,2})[/.](?P<month>\d{1,2})[/.](?P<year>\d{4})\b")
_DAY_FIRST = re.compile(
    rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: de| of)? (?P<month>{_NAMES})"
    r"(?:,? (?:del? )?(?P<year>\d{4}))?\b"
)
_MONTH_FIRST = re.compile(
    rf"\b(?P<month>{_NAMES}) (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:,? (?P<year>\d{{4}}))?\b"
)
_DIGIT = re.compile(r"\d")
_GROUPED = re.compile(r"\b\d{1,3}(?:([.,\u00a0\u202f])\d{3})(?:\1\d{3})*\b")


def spellings(text: str) -> frozenset[str]:
    """Other folded words by which the dates and amounts of a text could be asked; empty without figures."""
    if not _DIGIT.search(text):
        return frozenset()
    folded = fold(text)
    found = {ungrouped(number[0]) for number in _GROUPED.finditer(folded)}
    for pattern in (_ISO, _SLASHED, _DAY_FIRST, _MONTH_FIRST):
        for date in pattern.finditer(folded):
            found |= _date(date["day"], date["month"], date["year"])
    return frozenset(found)


def ordinal(word: str) -> str:
    """The number of a folded word that counts places (`second`, `segunda`: `2`); any other as it is."""
    return str(_ORDINALS.get(word, word))


def ungrouped(number: str) -> str:
    """A number without what parts its thousands; any other as it is."""
    return re.sub(r"\D", "", number) if _GROUPED.fullmatch(number) else number


def _date(day: str, month: str, year: str | None) -> set[str]:
    number = _NUMBER_OF.get(month) or int(month)
    if not 1 <= number <= len(MONTHS):
        return set()
    found = {str(int(day)), f"{int(day):02}", f"{number:02}", *MONTHS[number - 1]}
    return found | ({year} if year else set())
