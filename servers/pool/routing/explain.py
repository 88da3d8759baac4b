"""Says why, in a person's words and in the language of the question. Pure text work."""

from collections.abc import Mapping
from typing import Any

from servers.pool.routing.classifier import Verdict
from servers.pool.routing.features import GROUPS, Reading
from tools.schema import Language

Texts = dict[Language, str]
WORDS_SHOWN = 4

KIND: dict[str, Texts] = {
    "general": {"es": "es una pregunta general o de trato", "en": "it is a general question or small talk"},
    "technical": {"es": "pide una explicación técnica", "en": "it asks for a technical explanation"},
    "coding": {"es": "pide trabajo con código", "en": "it asks for work on code"},
    "expert": {
        "es": "pide razonar: demostrar, calcular, planificar o juzgar",
        "en": "it needs reasoning: proof, sums, planning or judgement",
    },
}
EVIDENCE: dict[str, tuple[str, ...]] = {
    "general": GROUPS["everyday"],
    "technical": (*GROUPS["technical"], *GROUPS["telling"]),
    "coding": ("code", "code_ask", "artifact"),
    "expert": GROUPS["reason"],
}
SEEN: dict[str, Texts] = {
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
SEEN_FOR: dict[str, tuple[str, ...]] = {
    "coding": ("code.pasted", "code.trace", "code.shell", "code.named"),
    "expert": ("math", "numbers>=3", "condition"),
    "general": (),
    "technical": (),
}
SAID: dict[str, Texts] = {
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


def say(name: str, language: Language, **fields: Any) -> str:
    """One reason as a sentence without a full stop."""
    return SAID[name][language].format(**fields)


def of_reading(reading: Reading, verdict: Verdict, *, followed: bool, passages: bool) -> list[str]:
    """Why the question deserves its kind, strongest first."""
    language, kind = reading.parts.language, verdict.kind
    reasons = [KIND[kind][language]]
    if reading.signals.get("chore.comment") and kind == "general":
        reasons.append(say("comment", language))
    reasons += [SEEN[name][language] for name in SEEN_FOR[kind] if reading.signals.get(name)]
    words = _evidence(reading, verdict.kind)
    if words:
        reasons.append(say("words", language, words=", ".join(words)))
    decoys = reading.words["ambiguous"] if kind != "coding" and not reading.signals.get("code") else []
    if decoys:
        reasons.append(say("not_language", language, word=decoys[0]))
    if reading.signals.get("words<=2"):
        reasons.append(say("short", language))
    if followed:
        reasons.append(say("follow", language))
    if passages:
        reasons.append(say("passages", language))
    second = sorted(verdict.chances.values())[-2]
    if verdict.chances[kind] - second < 0.15:
        other = next(name for name, chance in verdict.chances.items() if chance == second)
        reasons.append(say("unsure", language, other=other))
    return reasons


def _evidence(reading: Reading, kind: str) -> list[str]:
    seen = dict.fromkeys(word for name in EVIDENCE[kind] for word in reading.words[name])
    return sorted(seen, key=lambda word: (-len(word.split()), -len(word)))[:WORDS_SHOWN]


def weighed(verdict: Verdict, signals: Mapping[str, float]) -> dict[str, float]:
    """Each signal's pull towards the verdict (below zero: away), and every kind's chance."""
    shown = {name: round(pull[verdict.kind], 3) for name, pull in verdict.pulls.items()}
    strongest = sorted(shown, key=lambda name: -abs(shown[name]))
    chances = {f"chance.{kind}": round(chance, 3) for kind, chance in verdict.chances.items()}
    return chances | {name: shown[name] for name in strongest if name in signals or name == "conversation"}
