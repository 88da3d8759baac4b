"""The phrases by which a follow-up points back, in Spanish and English, and the parts of the question it
points to.

Pure. Which question a conversation's last message stands for is `rewriting`'s business.
"""

import re

from agents.conversation.comparisons import compared_too

_ARTICLES = r"el|la|los|las|lo|un|una|the|a|an"
_PREPOSITIONS = (
    r"de|del|en|a|al|con|por|para|sobre|desde|hasta|entre|sin|"
    r"of|in|on|at|for|from|to|with|about|by|into|without"
)
_ASKING = (
    r"qu[eé]|cu[aá]l(?:es)?|cu[aá]nt[oa]s?|c[oó]mo|cu[aá]ndo|a?d[oó]nde|qui[eé]n(?:es)?|por qu[eé]|"
    r"what|which|how(?: (?:many|much|long|far|often))?|when|where|who|why"
)
_AUXILIARIES = r"es|son|fue|era|is|are|was|were|do|does|did|can|may|must|will|has|have"
_OPENING = re.compile(rf"^\W*(?:(?:{_PREPOSITIONS})\s+)?(?:{_ASKING})\b\s*", re.IGNORECASE)
_FIXED = re.compile(
    r"\b(?:a la vez|al mismo tiempo|at the same time|at once|por defecto|by default)\b", re.IGNORECASE
)
_NOUN_PHRASE = re.compile(rf"\b(?:del|al|{_ARTICLES})\s+(?!mism[oa]|same)\w.*", re.IGNORECASE)
_ENDS = re.compile(
    rf"\s+(?:{_PREPOSITIONS.replace('de|del|', '').replace('|of|', '|')}|y|e|and|que|that)\s+", re.IGNORECASE
)
_NAME = re.compile(r"(?<!^)(?<![¿?.]\s)\b[A-ZÁÉÍÓÚÑ][\w.+#-]*(?:\s+(?:de |del |of )?[A-ZÁÉÍÓÚÑ][\w.+#-]*)*")
_INVERTED = re.compile(rf"\b(?:{_AUXILIARIES})\s+((?:the|a|an)\s+\w+)\s+(?!of\b)\w", re.IGNORECASE)

ANOTHER_LANGUAGE = re.compile(
    r"^(?:(?:y|e|and|ahora|now|pero|but|please|por favor|can you|could you|puedes|podrias)\W+)*"
    r"(?:(?:dilo|dimelo|repitelo|responde|contesta|tradu\w*|pasalo|say|tell me|repeat|answer|translate|"
    r"write)\b"
    r"(?:\s+(?:it|that|this|eso|esto|lo|me))?\s+)?(?:en|al|a|in|to|into)\s+"
    r"(?P<language>ingles|english|espanol|castellano|spanish)(?:\W+(?:please|por favor|tambien|too|"
    r"instead))*$"
)
REASON = re.compile(
    r"^(?:(?:y|e|and|pero|but)\s+)*(?:por que|why)(?:\s+(?:no|not|es eso|is that|motivo|razon|asi|so))?$"
)
ABOUT_THE_ANSWER = re.compile(
    r"^(?:(?:y|e|and|ahora|now|pero|but|please|por favor)\W+)*(?:"
    r"(?:en|in) (?:orden inverso|reverse(?: order)?|una (?:lista|tabla|frase)|a (?:list|table|sentence)|"
    r"pocas palabras|short|"
    r"resumen|detalle|detail)|al reves|(?:mas|less|more|menos) (?:corto|breve|largo|detalle\w*|sencillo|"
    r"short|detail\w*|"
    r"simple|simply)|shorter|longer|simpler|resume\w*|summari[sz]e(?: (?:it|that))?|explica\w*(?: mejor| "
    r"mas)?|"
    r"explain(?: (?:it|that))?(?: (?:better|again|more))?|(?:otra vez|de nuevo|again|repeat(?: that)?|"
    r"repitelo)|"
    r"(?:pon|dame|give me|ponme) (?:un ejemplo|ejemplos|an example|examples)|como (?:lista|tabla)|as a "
    r"(?:list|table))$"
)
ASKING_ALONE = re.compile(
    rf"^(?:(?:y|e|and|pero|but)\s+)*(?:(?:desde|hasta|para|since|from|until)\s+)?(?:{_ASKING})$"
)
ELLIPSIS = re.compile(
    r"^(?:y|e|and|what about|how about|qué tal|que tal|qué hay de|que hay de|pero|but)\s+"
    r"(?:qué hay de\s+|que hay de\s+|what about\s+|how about\s+)?(?P<rest>.+)$",
    re.IGNORECASE | re.DOTALL,
)
_POSSESSIVE = re.compile(r"\b(sus?|its|their|his|her)\s+(\w+)", re.IGNORECASE)
_SUBJECT = re.compile(
    r"\b(?:it|they|them|he|she|him|eso|esto|ello|ella|ellos|ellas|él)\b|\b(?:this|that|those|"
    r"these)(?=\s*\??$)",
    re.IGNORECASE,
)
_CLITIC = re.compile(
    r"\b(?:qui[eé]n(?:es)?|c[oó]mo|cu[aá]ndo|d[oó]nde|qu[eé]|no|se|me|te)(?P<before>\s+(?:lo|la|los|"
    r"las))(?=\s+\w+\s*\??$)"
    r"|[aeiáéí]r(?P<after>lo|la|los|las)\b",
    re.IGNORECASE,
)
_EXISTS = re.compile(r"\b(?:hay|existen?|tienes|puedes|eres|sabes|there (?:is|are)|you)\b", re.IGNORECASE)

_EXTREME = re.compile(
    r"(?:(?:el|la|los|las|the one)\s+)?(?:(?:que|cu[aá]l|which|with)\s+)?(?:(?:tiene|has)\s+)?(?:the\s+)?"
    r"(m[aá]s|menos|most|fewest|least)",
    re.IGNORECASE,
)
_MOST, _FEWEST = (
    re.compile(r"\b(?:m[aá]s|most)\b", re.IGNORECASE),
    re.compile(r"\b(?:menos|fewest|least)\b", re.IGNORECASE),
)
_COUNTED = re.compile(r"^(\W*(?:cu[aá]nt[oa]s|how many)\s+)\w+", re.IGNORECASE)


def object_of(question: str) -> str:
    """What a question is about: its last noun phrase or name; "" when it shows none."""
    bare = _FIXED.sub("", question.strip(" ¿?¡!.")).strip()
    inverted = _INVERTED.search(bare)
    if inverted:
        return inverted[1]
    phrases = [_cut(found[0]) for found in _overlapping(bare)]
    name = [found[0] for found in _NAME.finditer(bare)]
    return phrases[0] if phrases else name[-1] if name else ""


def topic_of(question: str) -> str:
    """A question without the words that ask."""
    return _OPENING.sub("", question.strip(" ¿?¡!.")).strip()


def as_question(asking: str, topic: str) -> str:
    """`topic` asked with the words of `asking` (`¿por qué?`, `when`)."""
    bare = re.sub(r"^(?:y|e|and|pero|but)\s+", "", asking.strip(" ¿?¡!."), flags=re.IGNORECASE)
    opened = "¿" if _SPANISH.match(bare) else ""
    lowered = topic[:1].lower() + topic[1:] if topic[1:2].islower() else topic
    return f"{opened}{bare[:1].upper()}{bare[1:]} {lowered}?"


def asks(text: str) -> bool:
    """Whether it begins with words that ask."""
    return bool(_OPENING.match(text))


def replaced(question: str, rest: str) -> str:
    """A question asked of something else: `rest` takes the place of what it is like."""
    bare, rest = question.strip(" ¿?¡!."), rest.strip()
    widened = compared_too(question, rest) or _opposed(question, rest)
    if widened:
        return widened
    opened = "¿" if question.lstrip().startswith("¿") else ""
    if _OPENING.match(rest) or _is_clause(rest):
        thing = object_of(question)
        return f"{opened}{rest[:1].upper()}{rest[1:]}{f' {thing}' if thing and thing not in rest else ''}?"
    return f"{opened}{_put(bare, rest, object_of(question))}?"


def _opposed(question: str, rest: str) -> str | None:
    """`¿y menos?` of a question for most: its opposite."""
    wanted = _EXTREME.fullmatch(rest)
    if not wanted:
        return None
    opposite = _FEWEST if wanted[1].lower() in ("más", "mas", "most") else _MOST
    swapped = opposite.sub(wanted[1], question, count=1)
    return swapped if swapped != question else None


def filled(question: str, thing: str) -> str:
    """A question with `thing` for its pronoun; unchanged where it has none."""
    owned = _POSSESSIVE.search(question)
    if owned:
        if object_of(question[: owned.start()]):
            return question
        owner = contracted(f"{_article(owned[1], owned[2])} {thing}")
        return question[: owned.start()] + owner + question[owned.end() :]
    pronoun = _SUBJECT.search(question)
    if pronoun and not object_of(question[: pronoun.start()]):
        return question[: pronoun.start()] + thing + question[pronoun.end() :]
    clitic = _CLITIC.search(question)
    if clitic and not object_of(question[: clitic.start()]):
        part = "before" if clitic["before"] else "after"
        kept = question[: clitic.start(part)] + question[clitic.end(part) :]
        return f"{kept.rstrip(' ?')} {thing}?"
    return question


def lacks_a_thing(question: str) -> bool:
    """Whether a short question names nothing that it could be about, and does not ask what there is."""
    return not object_of(question) and not _EXISTS.search(question)


def _article(possessive: str, noun: str) -> str:
    if possessive.lower() in ("its", "their", "his", "her"):
        return f"the {noun} of"
    feminine = re.search(r"(?:a|ión|dad|tud|clave|sede|base|parte|gente)s?$", noun)
    return f"{'la' if feminine else 'el'} {noun} de"


def contracted(text: str) -> str:
    """Spanish joins `de el` and `a el`."""
    return re.sub(r"\ba el\b", "al", re.sub(r"\bde el\b", "del", text))


_SPANISH = re.compile(
    r"(?:desde |hasta |para |por )?(?:qu[eé]|cu[aá]|c[oó]mo|d[oó]nde|a?d[oó]nde|qui[eé]n)", re.IGNORECASE
)


def _put(bare: str, rest: str, thing: str) -> str:
    preposition = re.match(rf"({_PREPOSITIONS})\b", rest, re.IGNORECASE)
    if preposition:
        family = {"del": "de", "al": "a"}.get(preposition[1].lower(), preposition[1].lower())
        same = rf"(?:{family}l?)" if family in ("de", "a") else family
        places = list(
            re.finditer(
                rf"\b{same}\s+(?!{_ASKING})\w[^,]*?(?=\s+(?:{_PREPOSITIONS})\s|$)", bare, re.IGNORECASE
            )
        )
        if places:
            return bare[: places[-1].start()] + rest + bare[places[-1].end() :]
        return f"{bare} {rest}"
    names = list(_NAME.finditer(bare))
    if thing and thing in bare and not (names and rest[:1].isupper()):
        return contracted(bare.replace(thing, rest, 1))
    if names:
        return bare[: names[-1].start()] + rest + bare[names[-1].end() :]
    counted = _COUNTED.match(bare)
    return bare[: counted.end(1)] + rest + bare[counted.end() :] if counted else f"{bare} {rest}"


def _overlapping(bare: str) -> list[re.Match[str]]:
    """Every noun phrase from its article on, the first that is no part of the asking words first."""
    opening = _OPENING.match(bare)
    start = opening.end() if opening else 0
    return [
        found
        for at in re.finditer(rf"\b(?:{_ARTICLES})\s", bare[start:], re.IGNORECASE)
        if (found := _NOUN_PHRASE.match(bare, start + at.start()))
    ]


def _cut(phrase: str) -> str:
    return _ENDS.split(phrase)[0].strip(" ,")


def _is_clause(rest: str) -> bool:
    """Whether the rest asks by itself: it has a verb of its own, as far as its ending shows."""
    return bool(
        re.match(r"(?:si|if|is|are|can|does|do|puede|hay|se|tiene|cuesta|funciona)\b", rest, re.IGNORECASE)
    )
