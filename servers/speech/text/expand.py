"""Numbers, dates, money, units, addresses and signs of a sentence in words, as people read them. Pure.

Rules run in the order of `RULES`, from the most particular to plain numbers and single signs: what a rule has
put in words holds no digit that a later one would take.
"""

import re
from collections.abc import Callable
from typing import Final

from servers.speech.text import lexicon
from servers.speech.text.lexicon import Unit
from servers.speech.text.numbers import before_noun, cardinal, digits, ordinal, roman, year
from tools.schema import Language

Match = re.Match[str]
Rule = Callable[[Match, Language], str]

_DOMAINS: Final = "com|org|net|es|io|dev|edu|gov|ai|eu|mx|ar|co|uk|info|app|cat|pe|cl"
_NUMBER: Final = {
    "es": r"\d{1,3}(?:[.  ]\d{3})+(?:,\d+)?|\d+(?:[,.]\d+)?",
    "en": r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?",
}
_FEMININE: Final = re.compile(
    r"\s+(?:\w+as|\w+(?:ción|sión|dad|tud|ciones|siones|dades)|vez|veces|noches?)\b"
)
_NOUN: Final = re.compile(r"\s+[a-záéíóúñ]{3,}")
_NO_NOUN: Final = re.compile(r"\s+(?:más|menos|por|que|para|con|son|fue|entre|mil|del|los|las|una|uno)\b")


def expand(text: str, language: Language) -> str:
    """`text`, one sentence, with nothing left in it but words and punctuation that a voice minds."""
    for sign, words in lexicon.ABBREVIATIONS[language].items():
        if sign in text:
            after = "" if sign.endswith("/") else r"(?!\w)"
            text = re.sub(rf"(?<![\w.]){re.escape(sign)}{after}", words, text)
    for pattern, rule in RULES[language]:
        text = pattern.sub(lambda found, rule=rule: rule(found, language), text)
    for sign, words in lexicon.SIGNS[language].items():
        if sign in text:
            text = text.replace(sign, f" {words} ")
    text = re.sub(r"(?<=\w)_(?=\w)", " ", text)
    text = re.sub(r"\s+([.,;:!?])", r"\1", re.sub(r"\s+", " ", text))
    return text.strip()


def _value(text: str, language: Language) -> tuple[int, str]:
    """The whole part and the digits after the decimal sign."""
    point, group = (",", ".") if language == "es" else (".", ",")
    text = re.sub("[  ]", "", text)
    if language == "es" and re.fullmatch(r"\d+\.\d+", text) and not re.fullmatch(r"\d{1,3}\.\d{3}", text):
        point, group = ".", ","  # 3.14 is no thousand: a point as in programs.
    whole, _, fraction = text.replace(group, "").partition(point)
    return int(whole), fraction


def _spoken(text: str, language: Language) -> str:
    whole, fraction = _value(text, language)
    if not fraction:
        return cardinal(whole, language)
    if language == "en":
        return f"{cardinal(whole, language)} point {digits(fraction, language)}"
    # Spanish reads up to two decimals as a number: 3,14 is `tres coma catorce`.
    plain = len(fraction) > 2 or fraction.startswith("0")
    return f"{cardinal(whole, language)} coma " + (
        digits(fraction, language) if plain else cardinal(int(fraction), language)
    )


def _email(found: Match, language: Language) -> str:
    return _address(found[0], language)


def _domain(found: Match, language: Language) -> str:
    return _address(found[1], language)


def _address(text: str, language: Language) -> str:
    dot, at, dash, low, slash = (
        ("punto", "arroba", "guion", "guion bajo", "barra")
        if language == "es"
        else ("dot", "at", "dash", "underscore", "slash")
    )
    for sign, word in ((".", dot), ("@", at), ("-", dash), ("_", low), ("/", slash)):
        text = text.replace(sign, f" {word} ")
    return re.sub(r"\d+", lambda number: digits(number[0], language), text)


def _version(found: Match, language: Language) -> str:
    point = " punto " if language == "es" else " point "
    named = ("versión " if language == "es" else "version ") if found[0].startswith("v") else ""
    return named + point.join(cardinal(int(part), language) for part in found[0].lstrip("v").split("."))


def _date(day: int, month: int, number: int, language: Language) -> str:
    name = lexicon.MONTHS[language][month - 1]
    if language == "en":
        return f"{name} {ordinal(day, language)}, {year(number, language)}"
    first = "primero" if day == 1 else cardinal(day, language)
    return f"{first} de {name} de {year(number, language)}"


def _iso_date(found: Match, language: Language) -> str:
    number, month, day = (int(part) for part in found.groups())
    return _date(day, month, number, language) if 1 <= month <= 12 and 1 <= day <= 31 else found[0]


def _slash_date(found: Match, language: Language) -> str:
    first, second, number = (int(part) for part in found.groups())
    day, month = (first, second) if language == "es" or first > 12 else (second, first)
    number += 2000 if number < 100 else 0
    return _date(day, month, number, language) if 1 <= month <= 12 and 1 <= day <= 31 else found[0]


def _month_day(found: Match, language: Language) -> str:
    return f"{found[1]} {ordinal(int(found[2]), language)}"


def _time(found: Match, language: Language) -> str:
    hour, minute = int(found[1]), int(found[2])
    if hour > 24 or minute > 59:
        return found[0]
    hours = cardinal(hour, language)
    if language == "es" and hour in (1, 21):
        hours = before_noun(hours, feminine=True)
    small = f"{'cero' if language == 'es' else 'oh'} " if 0 < minute < 10 else ""
    said = f"{hours} {small}{cardinal(minute, language)}"
    if not minute:
        said = hours + (" en punto" if language == "es" else " hundred" if hour > 12 else " o'clock")
    if found[3]:
        seconds = cardinal(int(found[3]), language)
        said += f" y {seconds} segundos" if language == "es" else f" and {seconds} seconds"
    if not found[4]:
        return said
    said = said.removesuffix(" en punto").removesuffix(" o'clock")
    spelled = {"a": "a eme", "p": "pe eme"} if language == "es" else {"a": "A M", "p": "P M"}
    return f"{said} {spelled[found[4][0].lower()]}"


def _money_before(found: Match, language: Language) -> str:
    return _amount(found["number"], found["sign"], found["scale"], language)


def _amount(number: str, sign: str, scale: str | None, language: Language) -> str:
    unit, cent = lexicon.MONEY[language][sign]
    whole, fraction = _value(number, language)
    if scale:
        words = _spoken(number, language)
        of = " de" if language == "es" and scale.startswith(("mill", "bill")) else ""
        return f"{words} {scale}{of} {unit.many}"
    if not fraction or len(fraction) > 2:
        return _with_unit(number, unit, language)
    cents = int(fraction.ljust(2, "0"))
    said = _with_unit(str(whole), unit, language)
    if not cents:
        return said
    join = "con" if language == "es" else "and"
    small = _with_unit(str(cents), cent, language)
    return f"{said} {join} {small}" if whole else small


def _with_unit(number: str, unit: Unit, language: Language) -> str:
    whole, fraction = _value(number, language)
    words = _spoken(number, language)
    if language == "es" and not fraction and not unit.one.startswith("por"):
        words = before_noun(words, feminine=unit.feminine)
        if whole and whole % 10**6 == 0:
            words += " de"
    return f"{words} {unit.one if (whole, fraction) == (1, '') else unit.many}"


def _unit(found: Match, language: Language) -> str:
    sign = "menos " if language == "es" else "minus "
    unit = lexicon.UNITS[language][found["unit"]]
    return (sign if found["minus"] else "") + _with_unit(found["number"], unit, language)


def _phone(found: Match, language: Language) -> str:
    groups = re.findall(r"\d+", found[0])
    plus = ("más " if language == "es" else "plus ") if found[0].startswith("+") else ""
    return plus + ", ".join(digits(group, language) for group in groups)


def _spanish_ordinal(found: Match, language: Language) -> str:
    number, mark = int(found[1]), found[2]
    words = ordinal(number, language, feminine=mark in ("ª", "a"))
    return words[:-1] if mark in ("er", "ᵉʳ") and words.endswith("o") else words


def _english_ordinal(found: Match, language: Language) -> str:
    return ordinal(int(found[1]), language)


def _roman(found: Match, language: Language) -> str:
    word, space, numeral = found.groups()
    number = roman(numeral)
    if not number:
        return found[0]
    if word.lower() in lexicon.NAMES:
        the = "the " if language == "en" else ""
        nth = ordinal(number, language, feminine=word.lower() in ("isabel", "catalina"))
        return f"{word} {the}{nth if language == 'en' or number <= 10 else cardinal(number, language)}"
    if word.lower() in lexicon.COUNTED[language] or (len(numeral) > 1 and word[0].isupper()):
        return f"{word}{space}{cardinal(number, language)}"
    return found[0]


def _fraction(found: Match, language: Language) -> str:
    known = lexicon.FRACTIONS[language].get(found[0])
    if known:
        return known
    slash = "barra" if language == "es" else "slash"
    return f"{cardinal(int(found[1]), language)} {slash} {cardinal(int(found[2]), language)}"


def _range(found: Match, language: Language) -> str:
    return f"{found[1]} {'a' if language == 'es' else 'to'} {found[2]}"


def _year(found: Match, language: Language) -> str:
    return year(int(found[0]), language)


def _plain(found: Match, language: Language) -> str:
    sign = ("menos " if language == "es" else "minus ") if found["minus"] else ""
    number = found["number"]
    if len(number) > 1 and number.startswith("0") and number.isdigit():
        return sign + digits(number, language)
    words = _spoken(number, language)
    after = found.string[found.end() :]
    if language == "es" and not _value(number, language)[1] and not _NO_NOUN.match(after):
        if _FEMININE.match(after):
            words = before_noun(words, feminine=True)
        elif _NOUN.match(after):
            words = before_noun(words, feminine=False)
    return sign + words


def _inside_a_word(found: Match, language: Language) -> str:
    return f" {cardinal(int(found[0]), language) if len(found[0]) < 5 else digits(found[0], language)} "


_ORDINALS: Final[dict[Language, tuple[str, Rule]]] = {
    "es": (r"\b(\d{1,3})\.?(º|ª|er|ᵉʳ)(?!\w)", _spanish_ordinal),
    "en": (r"\b(\d{1,9})(?:st|nd|rd|th)\b", _english_ordinal),
}


def _rules(language: Language) -> list[tuple[re.Pattern[str], Rule]]:
    number = _NUMBER[language]
    units = "|".join(re.escape(sign) for sign in sorted(lexicon.UNITS[language], key=len, reverse=True))
    money = "|".join(re.escape(sign) for sign in sorted(lexicon.MONEY[language], key=len, reverse=True))
    months = "|".join(lexicon.MONTHS["en"])
    scale = "millones|millón|mil" if language == "es" else "million|billion|trillion|thousand"
    before = rf"(?P<sign>{money})\s?(?P<number>{number})(?:\s(?P<scale>{scale})\b)?(?![\w])"
    after = rf"(?<![\w.,])(?P<number>{number})(?:\s(?P<scale>{scale}))?\s?(?P<sign>{money})(?!\w)"
    rules: list[tuple[str, Rule]] = [
        (r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}(?<![.-])", _email),
        (rf"(?<![\w@.])((?:[a-z0-9-]{{1,63}}\.){{1,4}}(?:{_DOMAINS}))\b(?:/[\w./-]*\w)?", _domain),
        (r"(?<![\w.])v?\d{1,3}(?:\.\d{1,3}){2,3}(?![\w])(?<!\.\d{3}\.\d{3})", _version),
        (r"(?<![\w-])(\d{4})-(\d{2})-(\d{2})(?![\w-])", _iso_date),
        (r"(?<![\w/])(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})(?![\w/])", _slash_date),
        (
            r"(?<![\w:])(\d{1,2}):(\d{2})(?::(\d{2}))?"
            r"(?:\s?([aApP]\.?\s?[mM]\b\.?|a eme|pe eme))?(?:\s?h\b)?(?![\w:])",
            _time,
        ),
        (r"(?<!\w)\+\d{1,3}(?:[ -]?\(?\d{2,4}\)?){2,5}(?!\w)", _phone),
        (r"(?<!\w)\(?\d{3}\)?[ -]\d{3}-\d{4}(?!\w)", _phone),
        (r"(?<![\w.,])[6789]\d{2} \d{2,3} \d{2,3}(?: \d{2})?(?!\w)", _phone),
        (before, _money_before),
        (after, _money_before),
        _ORDINALS[language],
        (rf"(?P<minus>(?<![\w)])[-−])?(?<![\w.,])(?P<number>{number})\s?(?P<unit>{units})(?![\w²³/])", _unit),
        (r"\b([^\W\d_]{3,})(\s+)([IVXLCDM]{1,8})\b", _roman),
        (r"(?<![\w/.,])(\d{1,4})/(\d{1,4})(?![\w/])", _fraction),
        (rf"(?<![\w.,-])({number})\s?[-–]\s?({number})(?![\w-])", _range),
        (rf"(?P<minus>(?<![\w)])[-−])?(?<![\w.,])(?P<number>{number})(?!\w)", _plain),
        (r"\d+", _inside_a_word),
    ]
    if language == "en":
        rules.insert(5, (rf"\b({months})\s(\d{{1,2}})(?!\w|[.,]\d|:)", _month_day))
        rules.insert(-2, (r"(?<![\w.,-])(?:1[1-9]|20)\d{2}(?![\w%]|[.,]\d)", _year))
    return [(re.compile(pattern), rule) for pattern, rule in rules]


RULES: Final[dict[Language, list[tuple[re.Pattern[str], Rule]]]] = {"es": _rules("es"), "en": _rules("en")}
