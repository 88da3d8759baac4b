"""Explains a routing decision: reasons in the language of the question, features with their weight."""

from collections.abc import Sequence
from typing import TypeAlias

from servers.pool.routing.classifier import Classification
from servers.pool.routing.features import GROUPS, Features
from tools.schema import Language

Texts: TypeAlias = dict[Language, str]
MAX_WORDS = 4
"""So many words of the question are quoted as evidence."""
UNSURE_MARGIN = 0.15
"""When the second domain is less probable by no more than this, it is named too."""

DOMAIN_REASON: dict[str, Texts] = {
    "general": {"es": "es una pregunta general o de trato", "en": "it is a general question or small talk"},
    "technical": {"es": "pide una explicación técnica", "en": "it asks for a technical explanation"},
    "coding": {"es": "pide trabajo con código", "en": "it asks for work on code"},
    "expert": {
        "es": "pide razonar: demostrar, calcular, planificar o juzgar",
        "en": "it needs reasoning: proof, sums, planning or judgement",
    },
}
# For each domain the lists of the lexicon whose words speak for it.
EVIDENCE_LISTS: dict[str, tuple[str, ...]] = {
    "general": GROUPS["everyday"],
    "technical": (*GROUPS["technical"], *GROUPS["telling"]),
    "coding": ("code", "code_ask", "artifact"),
    "expert": GROUPS["reason"],
}
FEATURE_REASON: dict[str, Texts] = {
    "code.pasted": {"es": "trae código", "en": "it brings code"},
    "code.trace": {"es": "trae un error de programa", "en": "it shows a program's error"},
    "code.shell": {"es": "trae órdenes de consola", "en": "it has shell commands"},
    "code.named": {
        "es": "nombra un lenguaje de programación en su sitio",
        "en": "it names a programming language as one",
    },
    "math": {"es": "tiene fórmulas", "en": "it has formulas"},
    "numbers>=3": {"es": "da varias cifras", "en": "it gives several figures"},
    "condition": {"es": "pone condiciones", "en": "it sets conditions"},
}
DOMAIN_FEATURES: dict[str, tuple[str, ...]] = {
    "coding": ("code.pasted", "code.trace", "code.shell", "code.named"),
    "expert": ("math", "numbers>=3", "condition"),
    "general": (),
    "technical": (),
}
REASONS: dict[str, Texts] = {
    "words": {"es": "lo dicen «{words}»", "en": "so say «{words}»"},
    "comment": {
        "es": "del código solo pide las palabras del comentario",
        "en": "of the code it wants only the comment's words",
    },
    "not_language": {
        "es": "«{word}» no se usa aquí como programación",
        "en": "«{word}» is not about programming here",
    },
    "short": {"es": "es muy corta", "en": "it is very short"},
    "follow": {"es": "sigue con lo anterior", "en": "it goes on with what came before"},
    "passages": {"es": "trae pasajes para responder", "en": "it brings passages to answer from"},
    "unsure": {"es": "la duda está con {other}", "en": "the doubt is with {other}"},
    "asked": {"es": "el modelo {model} se pidió expresamente", "en": "the model {model} was asked for"},
    "rule": {
        "es": "una regla del catálogo manda a {model}",
        "en": "a rule of the catalogue sends it to {model}",
    },
    "excluded": {
        "es": "{wanted} quedó excluido por quien pregunta",
        "en": "{wanted} was excluded by the caller",
    },
    "costly": {
        "es": "{wanted} pasa del tope de coste {limit:g}",
        "en": "{wanted} is above the cost ceiling {limit:g}",
    },
    "too_long": {"es": "el texto no cabe en {wanted}", "en": "the text does not fit {wanted}"},
    "absent": {
        "es": "{wanted} no está disponible: responde {model}",
        "en": "{wanted} is not available: {model} serves it",
    },
    "nothing": {
        "es": "{wanted} no está disponible y nada puede sustituirlo",
        "en": "{wanted} is not available and nothing can take its place",
    },
    "swap": {
        "es": "{model} ya está cargado y cargar {wanted} ({wait:.0f} s) no compensa",
        "en": "{model} is loaded and loading {wanted} ({wait:.0f} s) is not worth it",
    },
    "sticky": {
        "es": "sigue {model}, que ya llevaba la conversación",
        "en": "{model} keeps the conversation that it has",
    },
    "instead": {"es": "responde {model}", "en": "{model} serves it"},
}


def reason(name: str, language: Language, **fields: object) -> str:
    """One of REASONS as a clause without a full stop; `fields` fill its blanks."""
    return REASONS[name][language].format(**fields)


def domain_reasons(
    features: Features, classification: Classification, *, follow_up: bool, passages: bool
) -> list[str]:
    """Why the question deserves its domain, in its own language, strongest first."""
    language, domain = features.question.language, classification.domain
    values = features.values
    reasons = [DOMAIN_REASON[domain][language]]
    if values.get("chore.comment") and domain == "general":
        reasons.append(reason("comment", language))
    reasons += [FEATURE_REASON[name][language] for name in DOMAIN_FEATURES[domain] if values.get(name)]
    evidence = _evidence(features, domain)
    if evidence:
        reasons.append(reason("words", language, words=", ".join(evidence)))
    decoys: Sequence[str] = features.matches["ambiguous"]
    if decoys and domain != "coding" and not values.get("code"):
        reasons.append(reason("not_language", language, word=decoys[0]))
    if values.get("words<=2"):
        reasons.append(reason("short", language))
    if follow_up:
        reasons.append(reason("follow", language))
    if passages:
        reasons.append(reason("passages", language))
    second = sorted(classification.probabilities.values())[-2]
    if classification.confidence - second < UNSURE_MARGIN:
        other = next(name for name, value in classification.probabilities.items() if value == second)
        reasons.append(reason("unsure", language, other=other))
    return reasons


def _evidence(features: Features, domain: str) -> list[str]:
    """Words of the question that speak for `domain`: phrases first, then the longest."""
    words = dict.fromkeys(word for name in EVIDENCE_LISTS[domain] for word in features.matches[name])
    return sorted(words, key=lambda word: (-len(word.split()), -len(word)))[:MAX_WORDS]


def signals(features: Features, classification: Classification) -> dict[str, float]:
    """The decision in numbers, as the wire shows it.

    `chance.<domain>` for every domain, then each feature's contribution to the chosen domain's logit (below
    zero: against it), strongest first; `conversation` is what earlier questions added.
    """
    shown = {
        name: round(added[classification.domain], 3) for name, added in classification.contributions.items()
    }
    strongest = sorted(shown, key=lambda name: -abs(shown[name]))
    chances = {f"chance.{domain}": round(value, 3) for domain, value in classification.probabilities.items()}
    known = features.values.keys() | {"conversation"}
    return chances | {name: shown[name] for name in strongest if name in known}
