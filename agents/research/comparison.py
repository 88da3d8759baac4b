"""Comparisons: what a question compares and in which respects, and the table that answers it. Pure.

Each cell is what was drafted for its own question, with its citations, or says that nothing was found.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.conversation.phrases import contracted
from agents.grounding.citations import used
from agents.grounding.claims import read_claim
from tools.schema import Citation, Language
from tools.text.language import detect

MOST_SUBJECTS, MOST_ASPECTS = 4, 4
NOT_FOUND: dict[Language, str] = {"es": "no se ha encontrado", "en": "not found"}
_MISSING: dict[Language, str] = {"es": "No se ha encontrado", "en": "Not found"}
_ASPECT: dict[Language, str] = {"es": "Aspecto", "en": "Aspect"}
_WHAT: dict[Language, str] = {"es": "Qué es", "en": "What it is"}
_END = r"\s*[?.!]*\s*$"
_RESPECTS = (
    r"(?:\s*[,:]?\s+(?:en cuanto a|seg[uú]n|respecto a|respecto de|en t[eé]rminos de|por|in terms of|"
    r"regarding|by|on|as to|with respect to|en|in)\s+(?P<aspects>[^?]+?))?"
)
_WHAT_IS_COMPARED = r"\s+(?P<what>[^?]+?)"
_PATTERNS = [
    re.compile(pattern + _END, re.IGNORECASE)
    for pattern in (
        r"^\W*(?:compara(?:me|r)?|compare)\s+(?P<aspect>(?:(?:el|la|los|las|the)\s+)[\w-]+)\s+(?:de|of)"
        + _WHAT_IS_COMPARED,
        r"^\W*(?:compara(?:me|r)?|compare|haz una comparaci[oó]n (?:de|entre))"
        + _WHAT_IS_COMPARED
        + _RESPECTS,
        r"^.*?\b(?:diferencias?|differences?)\s+(?:(?:hay|existen?|is there|are there)\s+)?(?:entre|between)"
        + _WHAT_IS_COMPARED
        + _RESPECTS,
        r"^.*?\bse\s+diferencian?" + _WHAT_IS_COMPARED + _RESPECTS,
        r"^\W*how\s+do(?:es)?"
        + _WHAT_IS_COMPARED
        + r"\s+(?:differ|compare)(?:\s+from\s+(?P<other>[^?]+?))?"
        + _RESPECTS,
        r"^\W*(?:qu[eé]|cu[aá]l(?:es)?|which|what)\s+(?:es|son|is|are)\s+"
        r"(?P<aspect>(?:m[aá]s|menos|more|less)\s+\w+|\w+er)\s*[,:]" + _WHAT_IS_COMPARED,
        r"^\W*(?P<what>[^?]+?\s+(?:vs\.?|versus|frente a)\s+[^?]+?)" + _RESPECTS,
    )
]
_AND = re.compile(
    r"\s*,\s*(?:(?:y|e|o|u|and|or)\s+)?|\s+(?:y|e|o|u|con|and|or|with|vs\.?|versus|frente a)\s+",
    re.IGNORECASE,
)
_OF = re.compile(r"^(?:el|la|los|las|that|those|the one)\s+(?:de|of)\s+|^(?:de|del|of)\s+", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:el|la|los|las|the|su|sus|its|their)\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Comparison:
    """What is compared (two to four things) in which respects; none means what each of them is."""

    subjects: tuple[str, ...]
    aspects: tuple[str, ...]
    language: Language

    @property
    def cells(self) -> dict[tuple[str, str], str]:
        """The question of each cell, by aspect and subject, row by row."""
        return {
            (aspect, subject): self._question(aspect, subject)
            for aspect in self.aspects or ("",)
            for subject in self.subjects
        }

    def _question(self, aspect: str, subject: str) -> str:
        if self.language == "en":
            what = f"the {_ARTICLE.sub('', aspect)} of {subject}" if aspect else subject
            return f"What is {what}?"
        if not aspect:
            return f"¿Qué es {subject}?"
        if _ARTICLE.match(aspect):
            verb = "son" if re.match(r"l[oa]s\b", aspect) else "es"
            return contracted(f"¿Cuál{'es' if verb == 'son' else ''} {verb} {aspect} de {subject}?")
        return f"¿Qué {aspect} tiene {subject}?"


def read_comparison(question: str) -> Comparison | None:
    """What a question compares; None when it compares nothing."""
    for pattern in _PATTERNS:
        found = pattern.match(question.strip())
        if not found:
            continue
        named = found.groupdict()
        text = f"{named['what']} y {named['other']}" if named.get("other") else named["what"]
        subjects = _parts(text, MOST_SUBJECTS)
        if len(subjects) < 2:
            continue
        aspects = _parts(named.get("aspects") or "", MOST_ASPECTS) or _parts(named.get("aspect") or "", 1)
        return Comparison(tuple(subjects), tuple(aspects), detect(question, default="es"))
    return None


def table(
    comparison: Comparison, drafts: Mapping[str, str], sources: Sequence[Citation], language: Language
) -> str:
    """The comparison as a Markdown table, and what was not found."""
    titles = {source.n: f"{source.title} {source.text}" for source in sources}
    head = [_ASPECT[language], *(_heading(subject) for subject in comparison.subjects)]
    lines = [head, ["---"] * len(head)]
    missing: list[str] = []
    for aspect in comparison.aspects or ("",):
        row = [_heading(aspect) or _WHAT[language]]
        for subject in comparison.subjects:
            question = comparison.cells[aspect, subject]
            cell = _cell(drafts.get(question, ""), subject, titles)
            missing += [] if cell else [question]
            row.append(cell or NOT_FOUND[language])
        lines.append(row)
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{text}\n\n{_MISSING[language]}: {' '.join(missing)}" if missing else text


def _cell(draft: str, subject: str, passages: Mapping[int, str]) -> str:
    """A draft as a cell; empty where it cites nothing, or only passages that do not speak of the subject."""
    about = set(read_claim(f"· {subject}").terms)
    cited = [passages.get(n, "") for n in used(draft)]
    if not cited or not any(about & set(read_claim(f"· {text}").terms) for text in cited):
        return ""
    return " ".join(re.sub(r"^\s*[-*•]\s+", "", draft, flags=re.MULTILINE).split()).replace("|", "\\|")


def _heading(text: str) -> str:
    bare = _ARTICLE.sub("", text)
    return f"{bare[:1].upper()}{bare[1:]}"


def _parts(text: str, most: int) -> list[str]:
    parts = (_OF.sub("", part.strip(" ,;:.¿?")) for part in _AND.split(text))
    return list(dict.fromkeys(part for part in parts if part))[:most]
