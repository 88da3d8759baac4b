"""What a sentence claims, as far as it can be compared without a model: its terms, quantities, names,
negation.

Pure. It knows no passages; `grounding` compares the claims of an answer with those of its passages.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from agents.grounding.citations import MARK
from tools.extractive.quantities import ungrouped
from tools.schema import Language
from tools.text.language import detect
from tools.text.stopwords import STOP_WORDS
from tools.text.words import fold, folded_words, root, words


class Quantity(NamedTuple):
    """A number as written (`raw`), and in the common measure of its unit (`s`, `byte`, `m`, `%` …; "" for
    none)."""

    raw: float
    value: float
    measure: str


def _counted(names: str, first: int, step: int = 1) -> dict[str, int]:
    return {name: first + step * at for at, name in enumerate(names.split())}


_NUMBER_WORDS: dict[Language, dict[str, int]] = {
    "es": {
        **_counted("dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince", 2),
        **_counted("dieciseis diecisiete dieciocho diecinueve veinte", 16),
        **_counted("treinta cuarenta cincuenta sesenta setenta ochenta noventa cien", 30, 10),
        "mil": 1_000,
    },
    "en": {
        **_counted("two three four five six seven eight nine ten eleven twelve thirteen fourteen", 2),
        **_counted("fifteen sixteen seventeen eighteen nineteen twenty", 15),
        **_counted("thirty forty fifty sixty seventy eighty ninety hundred", 30, 10),
        "thousand": 1_000,
    },
}
_UNITS: dict[str, tuple[float, str]] = {
    **dict.fromkeys("ms milisegundo milisegundos millisecond milliseconds".split(), (0.001, "s")),
    **dict.fromkeys("s seg segundo segundos second seconds sec".split(), (1, "s")),
    **dict.fromkeys("min minuto minutos minute minutes".split(), (60, "s")),
    **dict.fromkeys("h hora horas hour hours".split(), (3600, "s")),
    **dict.fromkeys("dia dias day days".split(), (86_400, "s")),
    **dict.fromkeys("semana semanas week weeks".split(), (604_800, "s")),
    **dict.fromkeys("mes meses month months".split(), (1, "month")),
    **dict.fromkeys("ano anos year years".split(), (12, "month")),
    **dict.fromkeys("kb kib".split(), (2**10, "byte")),
    **dict.fromkeys("mb mib".split(), (2**20, "byte")),
    **dict.fromkeys("gb gib".split(), (2**30, "byte")),
    **dict.fromkeys("tb tib".split(), (2**40, "byte")),
    **dict.fromkeys("mm milimetro milimetros millimetre millimetres".split(), (0.001, "m")),
    **dict.fromkeys("cm centimetro centimetros centimetre centimetres".split(), (0.01, "m")),
    **dict.fromkeys("m metro metros metre metres meter meters".split(), (1, "m")),
    **dict.fromkeys("km kilometro kilometros kilometre kilometres kilometer kilometers".split(), (1000, "m")),
    **dict.fromkeys("g gramo gramos gram grams".split(), (1, "g")),
    **dict.fromkeys("kg kilo kilos kilogramo kilogramos kilogram kilograms".split(), (1000, "g")),
    **dict.fromkeys("euro euros eur €".split(), (1, "€")),
    **dict.fromkeys("dolar dolares dollar dollars usd $".split(), (1, "$")),
    **dict.fromkeys("% porciento percent".split(), (1, "%")),
}
_QUANTITY = re.compile(r"(?<![\w.,])([€$]?)\s?(\d+(?:[.,]\d+)*)\s*([€$%]|[a-zµ]+)?")
_WORD_QUANTITY = {
    language: re.compile(rf"\b({'|'.join(numbers)})\b\s*([a-z]+)?")
    for language, numbers in _NUMBER_WORDS.items()
}
_PERCENT = re.compile(r"\b(?:por ciento|per cent)\b")
_NEGATION = re.compile(
    r"\b(?:no|nunca|jamas|tampoco|ningun|ninguna|ninguno|nada|nadie|sin|ni|not|never|none|nothing|nobody|neither|nor|"
    r"without|cannot)\b|n't\b"
)
_NO_NEGATION = re.compile(r"\b(?:no solo|not only|no obstante|sino)\b")
LEADING = re.compile(r"^\s*(?:[-*•>]|\d{1,2}[.)]|#{1,6})\s+")
_SOURCE = (
    r"\b(?:pasajes?|documentos?|textos?|contexto|informaci[oó]n|fuentes?|"
    r"passages?|documents?|texts?|context|information|sources?)\b"
)
_SOURCES_SAID = re.compile(
    r"^\W*(?:seg[uú]n|de acuerdo con|tal como|como|based on|according to|as)\b"
    rf"[^,.:]{{0,60}}{_SOURCE}[^,.:]{{0,40}}[,:]\s*",
    re.IGNORECASE,
)
_LINKING = frozenset(
    "ademas asi tambien finalmente actualmente entonces luego primero segundo tercero resumen conclusion "
    "ejemplo cambio embargo concretamente concreto general moreover also finally currently then first second "
    "third summary example however specifically therefore thus additionally furthermore overall respectively "
    "respectivamente".split()
)
"""Words that lead from one sentence to the next and claim nothing."""
_COPULA = frozenset(
    "es son fue fueron era eran esta estan sera is are was were has have tiene tienen".split()
)


@dataclass(frozen=True)
class Claim:
    """`terms` are stems of content words in order, `first` the first of them; `names` are stems of words in
    capitals, which `terms` hold too; `quantities` the numbers, in digits or words."""

    text: str
    language: Language
    terms: tuple[str, ...]
    names: frozenset[str]
    quantities: frozenset[Quantity]
    negated: bool

    @property
    def first(self) -> str:
        """What it seems to speak of."""
        return self.terms[0] if self.terms else ""

    @property
    def empty(self) -> bool:
        """Whether it states nothing that could be compared."""
        return not (self.terms or self.quantities)


@lru_cache(maxsize=4_096)
def read_claim(text: str, language: Language | None = None) -> Claim:
    """What `text` claims. `language` wins over the detected one."""
    bare = _SOURCES_SAID.sub("", LEADING.sub("", MARK.sub(" ", text))).strip().replace("*", "")
    chosen = language or detect(bare, default="es")
    folded = fold(bare)
    stop = STOP_WORDS[chosen] | _LINKING
    content = [
        word
        for word in folded_words(bare)
        if word not in stop
        and not word[0].isdigit()
        and word not in _NUMBER_WORDS[chosen]
        and word not in _UNITS
    ]
    return Claim(
        text=text,
        language=chosen,
        terms=tuple(dict.fromkeys(root(word, chosen) for word in content)),
        names=frozenset(root(fold(name), chosen) for name in _names(bare) if fold(name) not in stop),
        quantities=frozenset(_quantities(_PERCENT.sub("%", folded), chosen)),
        negated=bool(_NEGATION.search(_NO_NEGATION.sub(" ", folded))),
    )


def agree(one: Quantity, other: Quantity) -> bool:
    """Whether two quantities are the same; a unit that only one of them names is no difference."""
    if one.measure and other.measure:
        return one.measure == other.measure and abs(one.value - other.value) <= 1e-9 * max(abs(one.value), 1)
    return one.raw == other.raw


def _quantities(folded: str, language: Language) -> list[Quantity]:
    found = [_measured(_value(digits), unit or sign) for sign, digits, unit in _QUANTITY.findall(folded)]
    written = _WORD_QUANTITY[language].findall(folded)
    return found + [_measured(float(_NUMBER_WORDS[language][word]), unit) for word, unit in written]


def _measured(raw: float, unit: str) -> Quantity:
    factor, measure = _UNITS.get(unit, (1, ""))
    return Quantity(raw, raw * factor, measure)


def _value(digits: str) -> float:
    """`1.000` and `1,000` are a thousand, `3,5` and `3.5` three and a half; `1.2.3` keeps its digits."""
    plain = ungrouped(digits).replace(",", ".")
    return float(plain) if plain.count(".") <= 1 else float(plain.replace(".", ""))


def _names(text: str) -> list[str]:
    """Words in capitals; the first of the sentence only where a name is likely there."""
    found = words(text)
    names = [word for word in found[1:] if word[0].isupper() and not word.isdigit()]
    if found and found[0][0].isupper():
        second = found[1] if len(found) > 1 else ""
        if not found[0][1:].islower() or second[:1].isupper() or fold(second) in _COPULA:
            names.append(found[0])
    return names
