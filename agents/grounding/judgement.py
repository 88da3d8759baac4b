"""Grounding of an answer: each sentence is matched to the passages that support it, without a model.

Numbers, units, names and negation must agree, content words overlap. Pure: whether an entailment model is
asked about what stays open is `entailment`'s business, how an answer is streamed `streaming`'s.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from agents.grounding.citations import MARK, used
from agents.grounding.claims import LEADING, Claim, agree, read_claim
from agents.grounding.evidence import Evidence, Unit, holds
from agents.grounding.sentences import split_sentences
from agents.grounding.statements import CLAUSE, is_refusal, known_of, states_nothing
from tools.schema import Grounding, Language, Span

COVERAGE = 0.6
"""Share of a sentence's content words that a sentence of the passage must hold."""
LEAST_QUOTE = 12
"""Characters from which on a repeated line is a quotation."""
NEW_COVERAGE = 0.5
"""Share of the words that a sentence adds to the question that its passage must hold. Chosen."""
FRAGMENT = 3
"""Terms and numbers of an answer that says no more than a name: `Murtaza Bhutto`. Chosen."""
COVERAGE_CROSS_LINGUAL = 0.4
"""The same when they are in different languages: cognates and the glossary find fewer of them."""
UNSUPPORTED: dict[Language, str] = {"es": "[sin respaldo]", "en": "[unsupported]"}
"""Stands behind a sentence that no passage supports, where such sentences are shown."""


_SPACED_MARK = re.compile(rf"\s*{MARK.pattern}")


@dataclass(frozen=True)
class Judgement:
    """What became of a sentence: `claim` states something, `refusal` says that the answer is not there,
    `other` states nothing. `support` in [0, 1]; `spans` are the places in the passages that support it;
    `unclear` when only a model could tell (no fact disagrees, too few words agree)."""

    kind: Literal["claim", "refusal", "other"]
    supported: bool
    support: float = 0.0
    spans: tuple[Span, ...] = ()
    unclear: bool = False


@dataclass(frozen=True)
class _Match:
    span: Span
    support: float
    facts: bool


def judge(sentence: str, evidence: Sequence[Evidence], *, question: str = "") -> Judgement:
    """Whether the passages support `sentence`; those that it cites are looked at first."""
    marks = used(sentence)
    ordered = sorted(evidence, key=lambda one: (one.n not in marks, one.n))
    verbatim = _verbatim(sentence, ordered)
    if verbatim is not None:
        return Judgement("claim", True, 1.0, (verbatim,))
    claim = read_claim(sentence)
    known = known_of(question, evidence, claim.language)
    if is_refusal(claim, known):
        return Judgement("refusal", supported=True)
    if states_nothing(sentence, claim, known):
        return Judgement("other", supported=True)
    return _judge_claim(sentence, claim, ordered, known.question)


def _judge_claim(sentence: str, claim: Claim, evidence: Sequence[Evidence], asked: Claim) -> Judgement:
    """A claim stands as a whole, or each of its clauses does."""
    whole = _find(claim, evidence, asked)
    if whole is not None and whole.facts:
        return Judgement("claim", True, whole.support, (whole.span,))
    parts = [_find(part, evidence, asked) for part in _clauses(sentence, claim)]
    found = [part for part in parts if part is not None and part.facts]
    if 1 < len(found) == len(parts):
        spans = {(one.span.n, one.span.start): one.span for one in found}
        return Judgement("claim", True, min(one.support for one in found), tuple(spans.values()))
    if whole is None:
        return Judgement("claim", False)
    unclear = _only_words_lack(claim, evidence, whole)
    return Judgement("claim", False, whole.support, (whole.span,), unclear=unclear)


def is_stump(sentence: str) -> bool:
    """Whether a sentence was cut before it says anything that could be compared."""
    claim = read_claim(sentence)
    ended = sentence.rstrip().endswith((".", "!", "?", "…", "|", "`"))
    return not ended and len(claim.terms) + len(claim.quantities) <= FRAGMENT


def edit(sentence: str, judgement: Judgement, mode: Grounding, language: Language) -> str:
    """The sentence as it is shown: with the marks of the passages that support it, marked, or not at all."""
    if mode == "off" or judgement.kind != "claim":
        return sentence
    body = sentence.rstrip()
    space = sentence[len(body) :]
    if not judgement.supported:
        bare = _SPACED_MARK.sub("", body)
        before = "\n" if body.startswith(("```", "~~~")) else " "
        return "" if mode == "strict" else f"{bare}{before}{UNSUPPORTED[language]}{space}"
    right = [n for n in dict.fromkeys(span.n for span in judgement.spans) if n]
    kept = _SPACED_MARK.sub(lambda mark: mark[0] if int(mark[1]) in right else "", body)
    missing = [n for n in right if n not in used(kept)] if not used(kept) else []
    marks = "".join(f"[{n}]" for n in missing)
    if not marks or body.startswith(("```", "~~~")):
        return kept + space
    return f"{kept[:-1].rstrip()} {marks} |{space}" if kept.endswith("|") else f"{kept} {marks}{space}"


def ground(
    text: str, evidence: Sequence[Evidence], mode: Grounding, language: Language, *, question: str = ""
) -> str:
    """A whole text, each sentence as `edit` shows it."""
    sentences = (sentence.text for sentence in split_sentences(text))
    shown = (edit(one, judge(one, evidence, question=question), mode, language) for one in sentences)
    return "".join(shown).strip()


def entailed(judgement: Judgement) -> Judgement:
    """An unclear sentence that a model found to follow from its passage."""
    return replace(judgement, supported=True, unclear=False)


def quoted(sentence: str, evidence: Sequence[Evidence]) -> Judgement:
    """What a sentence rests on that quotes the passages it cites: its place there, or all of them where its
    form alone was changed, as a table's row is."""
    marks = used(sentence)
    own = [one for one in evidence if one.n in marks]
    verbatim = _verbatim(sentence, own)
    spans = (verbatim,) if verbatim else tuple(Span(n=one.n, start=0, end=len(one.text)) for one in own)
    return Judgement("claim" if spans else "other", True, 1.0 if spans else 0.0, spans)


def _verbatim(sentence: str, evidence: Sequence[Evidence]) -> Span | None:
    """Where a whole sentence or line of a passage is repeated to the letter."""
    bare = LEADING.sub("", MARK.sub("", sentence)).strip()
    for one in evidence if len(bare) >= LEAST_QUOTE else ():
        at = one.text.find(bare)
        if at < 0:
            continue
        before, after = one.text[:at].rstrip(" -*•>\t"), one.text[at + len(bare) :].lstrip(" \t")
        begins = not before or before[-1] in "\n.!?:…"
        ends = bare[-1] in ".!?:…" or not after or after[0] == "\n"
        if begins and ends:
            return Span(n=one.n, start=at, end=at + len(bare))
    return None


def _find(claim: Claim, evidence: Sequence[Evidence], asked: Claim) -> _Match | None:
    """The best support of a claim; a place that agrees in all facts comes before one that does not."""
    found: list[_Match] = []
    rival = max(
        (_lexical(claim, unit) for one in evidence for unit in one.units if _contradicts(claim, unit)),
        default=0.0,
    )
    for one in evidence:
        least = COVERAGE if one.language == claim.language else COVERAGE_CROSS_LINGUAL
        for unit in one.units:
            support = _covered(claim, unit, one)
            if not support:
                continue
            agrees = support >= least and _facts_agree(claim, unit, one) and _lexical(claim, unit) >= rival
            facts = agrees and _answers(claim, unit, one, asked)
            span = Span(n=one.n, start=unit.start, end=unit.end)
            found.append(_Match(span, round(min(1.0, support), 3), facts))
    return max(found, key=lambda one: (one.facts, one.support), default=None)


def _covered(claim: Claim, unit: Unit, evidence: Evidence) -> float:
    """Share of the claim's terms that the unit, its title or, for what it refers back to, the passage
    holds."""
    if not claim.terms:
        return 1.0 if claim.quantities else 0.0
    held = sum(holds(term, unit.claim, claim) or holds(term, evidence.heading, claim) for term in claim.terms)
    if not held and not any(holds(term, unit.claim, claim) for term in claim.terms):
        return 0.0
    if _same_subject(claim, unit):
        rest = [term for term in claim.terms if not holds(term, unit.claim, claim)]
        held += 0.5 * sum(
            holds(term, evidence.whole, claim) and not holds(term, evidence.heading, claim) for term in rest
        )
    return held / len(claim.terms)


def _answers(claim: Claim, unit: Unit, evidence: Evidence, asked: Claim) -> bool:
    """Whether what a claim adds to the question is the unit's: words of the question support nothing, one
    that only repeats it has to be said in full, and a bare name or number where the question's matter is."""
    new = [term for term in claim.terms if not holds(term, asked, claim)]
    if not new and all(any(agree(one, other) for other in asked.quantities) for one in claim.quantities):
        return all(
            holds(one, unit.claim, claim) or holds(one, evidence.heading, claim) for one in claim.terms
        )
    if asked.terms and len(new) == len(claim.terms) and len(new) + len(claim.quantities) <= FRAGMENT:
        told = sum(
            holds(term, unit.claim, asked) or holds(term, evidence.heading, asked) for term in asked.terms
        )
        return told >= NEW_COVERAGE * len(asked.terms)
    held = sum(holds(term, evidence.whole, claim) for term in new)
    return held >= NEW_COVERAGE * len(new)


def _lexical(claim: Claim, unit: Unit) -> float:
    """Share of the claim's terms in the unit itself: of two places that differ in their numbers the nearer
    counts."""
    return sum(holds(term, unit.claim, claim) for term in claim.terms) / (len(claim.terms) or 1)


def _contradicts(claim: Claim, unit: Unit) -> bool:
    """Whether a unit has numbers where the claim has none of them."""
    if not claim.quantities or not unit.claim.quantities:
        return False
    return not any(agree(one, other) for one in claim.quantities for other in unit.claim.quantities)


def _facts_agree(claim: Claim, unit: Unit, evidence: Evidence) -> bool:
    numbers = [*unit.claim.quantities, *evidence.heading.quantities]
    if _same_subject(claim, unit) and unit.refers_back:
        numbers += evidence.whole.quantities
    if not all(any(agree(one, other) for other in numbers) for one in claim.quantities):
        return False
    return _names_agree(claim, unit, evidence) and _polarity(claim, unit)


def _names_agree(claim: Claim, unit: Unit, evidence: Evidence) -> bool:
    """Names stand in the unit or the title; elsewhere in the passage only where the unit names nothing
    else."""
    lacking = [
        n for n in claim.names if not holds(n, unit.claim, claim) and not holds(n, evidence.heading, claim)
    ]
    if not lacking:
        return True
    others = [name for name in unit.claim.names if not holds(name, claim, unit.claim)]
    if others and not unit.refers_back:
        return False
    return _same_subject(claim, unit) and all(holds(name, evidence.whole, claim) for name in lacking)


def _polarity(claim: Claim, unit: Unit) -> bool:
    """Whether both affirm or both deny; of a long unit the part counts that is nearest."""
    if claim.negated == unit.claim.negated:
        return True
    parts = [read_claim(part, unit.claim.language) for part in CLAUSE.split(unit.claim.text)]
    near = max(
        parts, key=lambda part: sum(holds(term, part, claim) for term in claim.terms), default=unit.claim
    )
    return claim.negated == near.negated


def _same_subject(claim: Claim, unit: Unit) -> bool:
    """Whether the unit speaks of what the claim speaks of, or points back to it."""
    return unit.refers_back or not unit.claim.first or holds(unit.claim.first, claim, unit.claim)


def _clauses(sentence: str, claim: Claim) -> list[Claim]:
    """The parts of a compound sentence, each with a claim of its own."""
    parts: list[str] = []
    for piece in CLAUSE.split(MARK.sub(" ", sentence)):
        one = read_claim(piece, claim.language)
        if parts and len(one.terms) + len(one.quantities) < 2:
            parts[-1] = f"{parts[-1]} {piece}"
        else:
            parts.append(piece)
    return [read_claim(part, claim.language) for part in parts]


def _only_words_lack(claim: Claim, evidence: Sequence[Evidence], match: _Match) -> bool:
    source = next(one for one in evidence if one.n == match.span.n)
    unit = next(
        (one for one in source.units if (one.start, one.end) == (match.span.start, match.span.end)), None
    )
    return unit is not None and not _contradicts(claim, unit) and _facts_agree(claim, unit, source)
