"""Explains a routing decision: reasons in the language of the question, features with their weight.

A reason is said only of what moved the decision: a feature or word that spoke for the chosen domain.
"""

from typing import TypeAlias

from servers.pool.routing.classifier import Classification
from servers.pool.routing.features import Features
from tools.schema import Language
from tools.text.stopwords import STOP_WORDS

Texts: TypeAlias = dict[Language, str]
MAX_WORDS = 3
"""So many words of the question are quoted as evidence."""
MAX_SIGNALS = 24
"""So many features and words are shown with their weight."""
MIN_WORD_CHARS, MIN_ADDED = 3, 0.05
"""A word is quoted as evidence from so many letters and so much added to the domain's logit."""
UNSURE_MARGIN = 0.15
"""When the second domain is less probable by no more than this, it is named too."""

DOMAIN_REASON: dict[str, Texts] = {
    "general": {"es": "es una pregunta general o de trato", "en": "it is a general question or small talk"},
    "technical": {
        "es": "pide una explicación o un trabajo de oficina",
        "en": "it asks for an explanation or everyday work",
    },
    "coding": {"es": "pide trabajo con código", "en": "it asks for work on code"},
    "expert": {
        "es": "pide razonar: demostrar, calcular, planificar o juzgar",
        "en": "it needs reasoning: proof, sums, planning or judgement",
    },
}
FEATURE_REASON: dict[str, Texts] = {
    "code.pasted": {"es": "trae código", "en": "it brings code"},
    "code.length": {"es": "trae código", "en": "it brings code"},
    "code.trace": {"es": "trae un error de programa", "en": "it shows a program's error"},
    "code.shell": {"es": "trae órdenes de consola", "en": "it has shell commands"},
    "code.file": {"es": "nombra ficheros de código", "en": "it names files of code"},
    "code.signs": {"es": "lleva signos de código", "en": "it has signs of code"},
    "code.named": {"es": "nombra un lenguaje de programación", "en": "it names a programming language"},
    "log": {"es": "trae líneas de un registro", "en": "it brings lines of a log"},
    "math": {"es": "tiene fórmulas", "en": "it has formulas"},
    "numbers>=3": {"es": "da varias cifras", "en": "it gives several figures"},
    "clauses": {"es": "encadena condiciones", "en": "it strings conditions together"},
    "text.task": {"es": "pide retocar un texto", "en": "it wants a text reworked"},
    "supplied": {"es": "trae un texto para trabajar", "en": "it brings a text to work on"},
    "words<=2": {"es": "es muy corta", "en": "it is very short"},
    "words<=5": {"es": "es corta", "en": "it is short"},
    "words<=12": {"es": "es corta", "en": "it is short"},
    "words>60": {"es": "es larga", "en": "it is long"},
}
"""What each feature of the shape means to a person; those without a line are not told."""
REASONS: dict[str, Texts] = {
    "words": {"es": "lo dicen «{words}»", "en": "so say «{words}»"},
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
    "unable": {
        "es": "{wanted} no puede con lo que se pide ({need})",
        "en": "{wanted} cannot do what is asked ({need})",
    },
    "wish": {
        "es": "la calidad pedida ({quality:g}) lo cambia por {model}",
        "en": "the quality asked for ({quality:g}) makes it {model}",
    },
    "hard": {
        "es": "un modelo menor fallaría con probabilidad {difficulty:.0%}",
        "en": "a smaller model would fail with probability {difficulty:.0%}",
    },
    "without": {
        "es": "{model} responde sin {need}: ninguno disponible puede",
        "en": "{model} answers without {need}: none that is available can",
    },
    "roomiest": {
        "es": "puede que el texto no quepa en ninguno: {model} es el que más admite",
        "en": "the text may fit none: {model} holds the most",
    },
    "instead": {"es": "responde {model}", "en": "{model} serves it"},
}


def reason(name: str, language: Language, **fields: object) -> str:
    """One of REASONS as a clause without a full stop; `fields` fill its blanks."""
    return REASONS[name][language].format(**fields)


def domain_reasons(
    features: Features, classification: Classification, *, follow_up: bool, passages: bool
) -> list[str]:
    """Why the question deserves its domain, in its own language: what it is, and what spoke for that."""
    language, domain = features.question.language, classification.domain
    reasons = [DOMAIN_REASON[domain][language]]
    evidence = _evidence(features, classification)
    if evidence:
        reasons.append(evidence)
    if follow_up:
        reasons.append(reason("follow", language))
    if passages:
        reasons.append(reason("passages", language))
    second = sorted(classification.probabilities.values())[-2]
    if classification.confidence - second < UNSURE_MARGIN:
        other = next(name for name, value in classification.probabilities.items() if value == second)
        reasons.append(reason("unsure", language, other=other))
    return reasons


def _evidence(features: Features, classification: Classification) -> str | None:
    """The words and the feature of the shape that added most to the domain, in one clause each at most."""
    language, domain = features.question.language, classification.domain
    added = {name: row[domain] for name, row in classification.contributions.items()}
    ranked = sorted((name for name in added if added[name] >= MIN_ADDED), key=lambda name: -added[name])
    shape = next((FEATURE_REASON[name][language] for name in ranked if name in FEATURE_REASON), None)
    words = [name.strip("«»") for name in ranked if name.startswith("«")]
    spoken = [word for word in words if len(word) >= MIN_WORD_CHARS and word.isalpha()]
    told = [word for word in spoken if word not in STOP_WORDS[language]][:MAX_WORDS]
    said = reason("words", language, words=", ".join(told)) if told else None
    return "; ".join(part for part in (shape, said) if part) or None


def signals(classification: Classification) -> dict[str, float]:
    """The decision in numbers, as the wire shows it.

    `chance.<domain>` for every domain, then the contributions to the chosen domain's logit of the features
    and words that moved it most (below zero: against it); `conversation` is what earlier questions added.
    """
    shown = {
        name: round(added[classification.domain], 3) for name, added in classification.contributions.items()
    }
    strongest = sorted(shown, key=lambda name: -abs(shown[name]))[:MAX_SIGNALS]
    chances = {f"chance.{domain}": round(value, 3) for domain, value in classification.probabilities.items()}
    return chances | {name: shown[name] for name in strongest if shown[name]}
