"""A subset of SSML 1.1 (W3C): `speak p s sub break emphasis prosody[rate] say-as`. Pure.

What it does not know is refused with its name, so that nobody believes a pitch was changed that was not.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple
from xml.etree import ElementTree

from servers.speech.text.numbers import cardinal, digits, ordinal
from tools.errors import BadRequest
from tools.schema import Language

MAX_DEPTH: Final = 32
MAX_BREAK_S: Final = 10.0
BREAKS: Final = {"none": 0.0, "x-weak": 0.1, "weak": 0.2, "medium": 0.4, "strong": 0.8, "x-strong": 1.2}
RATES: Final = {"x-slow": 0.5, "slow": 0.75, "medium": 1.0, "default": 1.0, "fast": 1.25, "x-fast": 1.75}
EMPHASES: Final = {"strong": 0.8, "moderate": 0.9, "none": 1.0, "reduced": 1.1}
"""An emphasis is said slower: voices here have no other way."""
PARAGRAPH_S: Final = {"p": 0.4, "s": 0.15}
ATTRIBUTES: Final = {
    "speak": {"version"},
    "p": set[str](),
    "s": set[str](),
    "sub": {"alias"},
    "break": {"time", "strength"},
    "emphasis": {"level"},
    "prosody": {"rate"},
    "say-as": {"interpret-as", "format"},
}
_LANGUAGE: Final = "{http://www.w3.org/XML/1998/namespace}lang"


class Span(NamedTuple):
    """Text at `rate` times the usual speed; `literal` is said as it is. Then `pause_s` seconds of silence."""

    text: str
    rate: float = 1.0
    pause_s: float = 0.0
    literal: bool = False


def is_ssml(text: str) -> bool:
    """Whether a text says that it is SSML."""
    return re.match(r"\s*(?:<\?xml[^>]*\?>\s*)?<speak[\s>]", text) is not None


def parse(text: str, language: Language) -> list[Span]:
    """The spans of an SSML document. Raises `BadRequest` (code `ssml_invalid`, `ssml_not_supported`)."""
    if "<!" in text:
        raise _refused("declarations and comments are not taken", "ssml_not_supported")
    try:
        root = ElementTree.fromstring(text.strip())
    except (ElementTree.ParseError, ValueError) as exc:
        raise _refused(f"this is no well-formed SSML: {exc}", "ssml_invalid") from exc
    return list(_spans(root, language, 1.0, 0))


def _spans(element: ElementTree.Element, language: Language, rate: float, depth: int) -> Iterator[Span]:
    if depth > MAX_DEPTH:
        raise _refused(f"elements are nested deeper than {MAX_DEPTH}", "ssml_invalid")
    name = element.tag.rpartition("}")[2]
    _check(name, element)
    rate = min(max(rate * _rate(name, element), 0.25), 4.0)
    match name:
        case "break":
            yield Span("", rate, _break_s(element))
            return
        case "say-as":
            yield Span(_said(element, language), rate, literal=True)
            return
        case "sub":
            yield Span(element.get("alias", ""), rate)
            return
    if element.text:
        yield Span(element.text, rate)
    for child in element:
        yield from _spans(child, language, rate, depth + 1)
        if child.tail:
            yield Span(child.tail, rate)
    if name in PARAGRAPH_S:
        yield Span("", rate, PARAGRAPH_S[name])


def _check(name: str, element: ElementTree.Element) -> None:
    if name not in ATTRIBUTES:
        known = ", ".join(ATTRIBUTES)
        raise _refused(f"<{name[:40]}> is not spoken here; elements: {known}", "ssml_not_supported")
    known = ATTRIBUTES[name] | {_LANGUAGE}
    for attribute in element.attrib:
        if attribute not in known and not attribute.startswith("{http://www.w3.org/2001/XMLSchema-instance}"):
            raise _refused(
                f"<{name}> takes no {attribute[:40]!r} here; it takes: {', '.join(sorted(ATTRIBUTES[name]))}",
                "ssml_not_supported",
            )


def _rate(name: str, element: ElementTree.Element) -> float:
    if name == "emphasis":
        level = element.get("level", "moderate")
        if level not in EMPHASES:
            raise _refused(f"emphasis has the levels {', '.join(EMPHASES)}", "ssml_invalid")
        return EMPHASES[level]
    given = element.get("rate", "default").strip()
    if name != "prosody" or given in RATES:
        return RATES.get(given, 1.0)
    percent = re.fullmatch(r"([+-]?)(\d{1,3}(?:\.\d+)?)%", given)
    if percent is None:
        raise _refused(f"rate is a percentage or one of {', '.join(RATES)}", "ssml_invalid")
    value = float(percent[2]) / 100
    return max({"+": 1 + value, "-": 1 - value, "": value}[percent[1]], 0.25)


def _break_s(element: ElementTree.Element) -> float:
    time = element.get("time")
    if time is None:
        strength = element.get("strength", "medium")
        if strength not in BREAKS:
            raise _refused(f"break has the strengths {', '.join(BREAKS)}", "ssml_invalid")
        return BREAKS[strength]
    found = re.fullmatch(r"(\d{1,5}(?:\.\d{1,3})?)(ms|s)", time.strip())
    if found is None:
        raise _refused("a break's time is like 500ms or 1.5s", "ssml_invalid")
    return min(float(found[1]) / (1000 if found[2] == "ms" else 1), MAX_BREAK_S)


def _said(element: ElementTree.Element, language: Language) -> str:
    text = "".join(element.itertext()).strip()
    kind = element.get("interpret-as", "")
    if kind in ("characters", "spell-out", "verbatim"):
        letters = [one for one in text if not one.isspace()]
        return ", ".join(digits(one, language) if one in "0123456789" else one.upper() for one in letters)
    if kind in ("digits", "telephone"):
        return digits(text, language)
    if kind in ("cardinal", "number", "ordinal"):
        if not re.fullmatch(r"-?[0-9]{1,15}", text):
            raise _refused(f"say-as {kind} takes a whole number", "ssml_invalid")
        return cardinal(int(text), language) if kind != "ordinal" else ordinal(abs(int(text)), language)
    raise _refused(
        "say-as is one of characters, spell-out, digits, telephone, cardinal, number, ordinal",
        "ssml_not_supported",
    )


def _refused(message: str, code: str) -> BadRequest:
    return BadRequest(message, param="text", source="speech", code=code)
