"""Entity extraction without a model: titles, headings, capitalised names, quotations, code identifiers.

An entity is a normalised name; two passages that name the same thing share it whatever their language.
"""

import re
from collections import Counter

from tools.text.stopwords import ENGLISH, SPANISH
from tools.text.words import fold

VERSION = 1
MAX_MENTIONED = 60
"""Names of a passage, the most frequent first: one of 250 tokens hardly has more, a table of names may."""
JOINING = "of|the|de|del|la|las|los|el|y|and|for|in|on|van|von|da|di|du|&"
NAME = re.compile(
    rf"\b[A-ZÁÉÍÓÚÜÑ][\w’'\-]*(?:\.[A-Z])*(?:\s+(?:(?:{JOINING})\s+){{0,2}}[A-ZÁÉÍÓÚÜÑ0-9][\w’'\-]*)*",
    re.UNICODE,
)
CODE = re.compile(r"`([^`\n]{2,60})`|\b([A-Za-z]+(?:_[A-Za-z0-9]+)+|[a-z]+[A-Z]\w+)\b")
QUOTED = re.compile(r"[\"“«]([^\"”»\n]{3,60})[\"”»]")
PARENTHESIS = re.compile(r"\s*\([^)]*\)\s*$")
STOP = ENGLISH | SPANISH
EDGES = " .,;:'’-"


def normal(name: str) -> str:
    """One spelling of a name: folded, without article, possessive, punctuation or a closing parenthesis."""
    name = PARENTHESIS.sub("", name.replace("_", " ").replace("’", "'"))
    parts = [part.strip(EDGES).removesuffix("'s") for part in fold(name).split()]
    parts = [part for part in parts if part]
    while len(parts) > 1 and parts[0] in STOP:
        parts = parts[1:]
    return " ".join(parts)


def entities(title: str, heading: str, text: str) -> dict[str, float]:
    """Normalised names with weights: 2 for what a passage is about, 1 for what it mentions. No search reads
    these weights; whoever queries the graph may."""
    found: Counter[str] = Counter()
    for name in _mentioned(text):
        found[name] += 1
    weights: dict[str, float] = {name: 1.0 for name, _ in found.most_common(MAX_MENTIONED)}
    for name in subjects(title, heading):
        weights[name] = 2.0
    return weights


def subjects(title: str, heading: str) -> list[str]:
    """What a passage is about, as normalised names: its title and the headings above it (`A › B`)."""
    names = [normal(part) for part in (title, *heading.split(" › "))]
    return [name for name in dict.fromkeys(names) if _is_name(name)]


def _mentioned(text: str) -> list[str]:
    names = [match[0] for match in NAME.finditer(text)]
    names += [first or second for first, second in CODE.findall(text)]
    names += QUOTED.findall(text)
    found = [normal(name) for name in names]
    # "Lester Smith" also answers to a title that is only part of a longer run of capitals.
    found += [normal(part) for name in names for part in re.split(rf"\s+(?:{JOINING})\s+", name)[:3]]
    return [name for name in found if _is_name(name)]


def _is_name(name: str) -> bool:
    """Whether a normalised name says something: no stop word, no number, neither too short nor too long."""
    return 2 < len(name) <= 120 and name not in STOP and not name.replace(".", "").isdigit()
