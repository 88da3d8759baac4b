"""Whole numbers in words: cardinals, ordinals, years, digits; Spanish (long scale) and English. Pure."""

from itertools import pairwise
from typing import Final

from tools.schema import Language

MAX: Final = 10**15
"""From here on digits are read one by one."""

ES_SMALL: Final = (
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis "
    "diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco "
    "veintiséis veintisiete veintiocho veintinueve"
).split()
ES_TENS: Final = "x x x treinta cuarenta cincuenta sesenta setenta ochenta noventa".split()
ES_HUNDREDS: Final = (
    "x ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos"
).split()
ES_ORDINALS: Final = (
    "x primero segundo tercero cuarto quinto sexto séptimo octavo noveno décimo undécimo duodécimo "
    "decimotercero decimocuarto decimoquinto decimosexto decimoséptimo decimoctavo decimonoveno"
).split()
ES_ORDINAL_TENS: Final = (
    "x x vigésimo trigésimo cuadragésimo quincuagésimo sexagésimo septuagésimo octogésimo nonagésimo"
).split()
EN_SMALL: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
EN_TENS: Final = "x x twenty thirty forty fifty sixty seventy eighty ninety".split()
EN_SCALES: Final = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"))
EN_IRREGULAR: Final = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
ROMAN: Final = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def cardinal(number: int, language: Language) -> str:
    """`21` → `veintiuno`, `twenty-one`; negative ones with `menos`, `minus`."""
    if abs(number) >= MAX:
        return digits(str(abs(number)), language)
    if number < 0:
        return f"{'menos' if language == 'es' else 'minus'} {cardinal(-number, language)}"
    return _spanish(number) if language == "es" else _english(number)


def before_noun(words: str, *, feminine: bool) -> str:
    """A Spanish cardinal as it stands before a noun: `veintiún libros`, `doscientas veintiuna casas`."""
    if feminine:
        words = words.replace("cientos", "cientas").replace("quinientos", "quinientas")
        return f"{words[:-1]}a" if words.endswith("uno") else words
    if words.endswith("veintiuno"):
        return f"{words[:-3]}ún"
    return words[:-1] if words.endswith("uno") else words


def ordinal(number: int, language: Language, *, feminine: bool = False) -> str:
    """`3` → `tercero`, `third`. Spanish ones from a hundred on are cardinals, as people say them."""
    if language == "en":
        head, dash, last = _split_last(_english(number))
        return head + dash + _english_ordinal(last)
    if number < len(ES_ORDINALS):
        words = ES_ORDINALS[number] if number else "cero"
    elif number < 100:
        tens, ones = divmod(number, 10)
        words = ES_ORDINAL_TENS[tens] + (f" {ES_ORDINALS[ones]}" if ones else "")
    else:
        return _spanish(number)
    if not feminine:
        return words
    return " ".join(f"{word[:-1]}a" if word.endswith("o") else word for word in words.split())


def year(number: int, language: Language) -> str:
    """`1999` → `mil novecientos noventa y nueve`, `nineteen ninety-nine`."""
    century, rest = divmod(number, 100)
    if language == "es" or not 1100 <= number < 2100 or 2000 <= number < 2010:
        return cardinal(number, language)
    if not rest:
        return f"{_english(century)} hundred"
    return f"{_english(century)} {_english(rest) if rest > 9 else f'oh {_english(rest)}'}"


def digits(text: str, language: Language) -> str:
    """Each digit of `text` by itself; other characters are dropped."""
    names = ES_SMALL if language == "es" else EN_SMALL
    return " ".join(names[int(character)] for character in text if character in "0123456789")


def roman(text: str) -> int:
    """The value of a Roman numeral, 0 for what is none."""
    values = [ROMAN.get(character, 0) for character in text]
    if not values or 0 in values:
        return 0
    signed = [-one if one < following else one for one, following in pairwise([*values, 0])]
    total = sum(signed)
    return total if 0 < total < 4000 and to_roman(total) == text else 0


def to_roman(number: int) -> str:
    """`14` → `XIV`."""
    table = {1000: "M", 900: "CM", 500: "D", 400: "CD", 100: "C", 90: "XC", 50: "L", 40: "XL", 10: "X"}
    written = ""
    for value, sign in {**table, 9: "IX", 5: "V", 4: "IV", 1: "I"}.items():
        count, number = divmod(number, value)
        written += sign * count
    return written


def _spanish(number: int) -> str:
    if number < 30:
        return ES_SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return ES_TENS[tens] + (f" y {ES_SMALL[ones]}" if ones else "")
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        return "cien" if number == 100 else ES_HUNDREDS[hundreds] + (f" {_spanish(rest)}" if rest else "")
    if number < 10**6:
        thousands, rest = divmod(number, 1000)
        head = "mil" if thousands == 1 else f"{before_noun(_spanish(thousands), feminine=False)} mil"
        return f"{head} {_spanish(rest)}" if rest else head
    scale, one, many = (10**12, "billón", "billones") if number >= 10**12 else (10**6, "millón", "millones")
    count, rest = divmod(number, scale)
    head = f"un {one}" if count == 1 else f"{before_noun(_spanish(count), feminine=False)} {many}"
    return f"{head} {_spanish(rest)}" if rest else head


def _english(number: int) -> str:
    if number < 20:
        return EN_SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return EN_TENS[tens] + (f"-{EN_SMALL[ones]}" if ones else "")
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        return f"{EN_SMALL[hundreds]} hundred" + (f" {_english(rest)}" if rest else "")
    value, name = next(scale for scale in EN_SCALES if number >= scale[0])
    count, rest = divmod(number, value)
    return f"{_english(count)} {name}" + (f" {_english(rest)}" if rest else "")


def _split_last(words: str) -> tuple[str, str, str]:
    place = max(words.rfind(" "), words.rfind("-"))
    return (words[:place], words[place], words[place + 1 :]) if place >= 0 else ("", "", words)


def _english_ordinal(word: str) -> str:
    if word in EN_IRREGULAR:
        return EN_IRREGULAR[word]
    return f"{word[:-1]}ieth" if word.endswith("y") else f"{word}th"
