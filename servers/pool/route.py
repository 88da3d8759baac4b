"""Which model a question deserves, and which one serves it now. Pure: no clock, no network, no log."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from servers.pool.catalog import Catalog, Spec
from tools.schema import Route

CODE = re.compile(
    r"```|^\s*(def|class|import|from|func|fn|public|const|let|var|SELECT|CREATE|#include)\b.*[(:;{]|"
    r"\b\w+\.(py|js|ts|rs|go|java|cpp|sql|sh)\b|"
    r"\b(Traceback|TypeError|NullPointer\w*|Segmentation fault)\b|[{;]\s*$",
    re.MULTILINE,
)
CODING = re.compile(
    r"\b(c[oó]digo fuente|funci[oó]n(es)? (en|de|que)|programa(r|ci[oó]n)?|script|depura\w*|refactor\w*|"
    r"regex|compil\w+|bug|debug\w*|unit tests?|pruebas unitarias|algorithm|algoritmo|consulta sql|sql query|"
    r"(a|the|this) (function|method|class) (that|which|in)|write code|endpoint|"
    r"javascript|typescript|rust|golang|kotlin|bash|html|css|dockerfile)\b|"
    r"\b(en|in|de|with|con) python\b|\bpython (script|function|code|class|program)\b|c\+\+|c#",
    re.IGNORECASE,
)
EXPERT = re.compile(
    r"\b(demuestra|demostrar|demostraci[oó]n|prove|proof|deduce|deriva|derive|optimi[zs]a\w*|optimi[sz]e\w*|"
    r"razona|reason step|paso a paso|step by step|teorema|theorem|estrategia|strategy|trade-?offs?|"
    r"pros y (los )?contras|pros and cons|dise[ñn]a|design|arquitectura|architecture|eval[uú]a|evaluate|"
    r"restricci[oó]n(es)?|constraints?|equilibrio|equilibrium|hip[oó]tesis|hypothes[ie]s)\b",
    re.IGNORECASE,
)
TECHNICAL = re.compile(
    r"\b(explica|explain|compara|compare|diferencia|difference|c[oó]mo funciona|how does|por qu[eé]|why|"
    r"informe|report|protocolo|protocol|servidor|server|base de datos|database|red(es)?|network|"
    r"f[ií]sica|physics|qu[ií]mica|chemistry|motor|engine|configura\w*|install\w*|instala\w*)\b",
    re.IGNORECASE,
)
SYMBOLS = re.compile(r"[=<>≤≥∑∫√^∀∃→]|\b\d+([.,]\d+)?\s?(%|km|kg|€|\$|ms|GB)")
SPANISH = re.compile(
    r"[ñ¿¡áéíóú]|\b(el|la|los|las|que|qu[eé]|un|una|por|para|c[oó]mo|es|y|con|del|hola|dime|cu[aá]l)\b", re.I
)
ENGLISH = re.compile(r"\b(the|is|are|what|how|of|and|to|in|please|why|which|hello|hi|with|an?)\b", re.I)
PASSAGES = re.compile(r"<passages>.*</passages>", re.DOTALL)


@dataclass(frozen=True)
class State:
    """What the pool can serve now: ids available, ids loaded, measured seconds of a load."""

    available: frozenset[str]
    loaded: frozenset[str] = frozenset()
    load_s: Mapping[str, float] = field(default_factory=dict)


def choose(messages: Sequence[Mapping[str, Any]], catalogue: Catalog, state: State) -> Route:
    """The decision for one conversation. Without an `[auto]` table the first chat model is the default."""
    question = question_of(messages)
    signals = read_signals(question, messages)
    scores = {spec.id: _score(spec, signals) for spec in catalogue.models.values() if spec.kind == "chat"}
    ranked = sorted(scores, key=lambda name: -scores[name])
    default = catalogue.auto.default if catalogue.auto else ranked[0]
    wanted = ranked[0] if scores[ranked[0]] > 0 else default
    model, why = _served_by(wanted, ranked, catalogue, state)
    margin = scores[wanted] - max((scores[name] for name in ranked if name != wanted), default=0.0)
    return Route(
        wanted=wanted,
        model=model,
        confidence=round(min(0.99, 0.5 + max(0.0, margin) / 2), 2),
        reasons=[*_reasons(signals), *why],
        signals=signals,
        alternatives=[name for name in ranked if name not in (wanted, model)],
    )


def question_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """The last user message as text, without retrieved passages."""
    for message in reversed(messages):
        if message.get("role") == "user":
            return PASSAGES.sub("", text_of(message.get("content"))).strip()
    return ""


def text_of(content: Any) -> str:
    """The text of a message's content, be it a string or OpenAI's parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") for part in content if isinstance(part, dict))
    return "\n".join(part for part in parts if isinstance(part, str))


def read_signals(question: str, messages: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Weights in [0, 1]: what the question looks like."""
    words = len(question.split())
    spanish, english = len(SPANISH.findall(question)), len(ENGLISH.findall(question))
    return {
        "spanish": round(spanish / max(1, spanish + english), 2),
        "code": min(1.0, 0.5 * len(CODE.findall(question))),
        "coding": min(1.0, 0.6 * len(CODING.findall(question))),
        "expert": min(1.0, 0.45 * len(EXPERT.findall(question)) + 0.1 * len(SYMBOLS.findall(question))),
        "technical": min(1.0, 0.4 * len(TECHNICAL.findall(question))),
        "length": round(min(1.0, words / 200), 2),
        "context": float(any("<passages>" in text_of(message.get("content")) for message in messages)),
    }


def _score(spec: Spec, signals: Mapping[str, float]) -> float:
    match spec.domain:
        case "coding":
            return max(signals["coding"], 0.7 * signals["code"] + 0.5 * signals["coding"])
        case "expert":
            return signals["expert"] * 0.9
        case "technical":
            return signals["technical"] * 0.8 + signals["length"] * 0.2
        case "general":
            return 0.25
        case _:
            return 0.0


def _served_by(wanted: str, ranked: list[str], catalogue: Catalog, state: State) -> tuple[str, list[str]]:
    if wanted in state.available:
        return wanted, []
    last = [catalogue.auto.last] if catalogue.auto else []
    for name in [*catalogue.models[wanted].fallbacks, *last, *ranked]:
        if name in state.available:
            return name, [f"{wanted} is not available: {name} serves it"]
    return wanted, [f"{wanted} is not available and nothing can take its place"]


def _reasons(signals: Mapping[str, float]) -> list[str]:
    words = {
        "code": "contains code",
        "coding": "asks for programming",
        "expert": "needs reasoning",
        "technical": "technical question",
        "context": "answers from passages",
    }
    found = [text for name, text in words.items() if signals[name] >= 0.3]
    return [*(found or ["general question"]), "in Spanish" if signals["spanish"] >= 0.5 else "in English"]
