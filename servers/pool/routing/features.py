"""Extracts the router's features from one question: named numbers, mostly in [0, 3]. The weights judge them.

No feature stands for a single word: what the lexicon does not know must not be learnt from a few prompts.
Counts are damped by log(1 + n), so that a second word of a list says less than the first. On the wire the
features of a decision are its `signals`.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from servers.pool.routing import patterns
from servers.pool.routing.interactions import interactions
from servers.pool.routing.lexicon import Lexicon, load_lexicon
from servers.pool.routing.parse import ParsedQuestion, parse_question
from tools.text.stopwords import QUESTION_STOP_WORDS

TOKEN = re.compile(r"[^\W_]+(?:_[^\W_]+)*")
MAX_TOKENS = 800
STOP_WORDS = QUESTION_STOP_WORDS["es"] | QUESTION_STOP_WORDS["en"]
GROUPS = {
    "technical": ("computing", "machines", "science", "health", "society", "measure"),
    "telling": ("explain", "what", "why", "report", "process"),
    "reason": ("prove", "optimise", "mathematics", "chance", "solve", "judge", "plan", "design", "allocate"),
    "everyday": (
        "food",
        "occasion",
        "leisure",
        "animals",
        "family",
        "home",
        "days",
        "fact",
        "language",
        "advice",
        "town",
    ),
}
"""Word lists that are also counted together."""
# "cómo hago", "cómo paso": the person means to do it, not to have it told.
FIRST_PERSON = re.compile(
    r"\bcomo (?:se |me |le |lo |la |los |las )?(?!modelo|estudio|proceso|metodo|lenguaj|ejemplo|"
    r"servicio|uso )[a-z]{3,}o\b|\bhow (?:do|can|should|could|would) (?:i|we)(?! (?:know|say|tell|"
    r"ask)\b)\b|\bhow (?:to|2)\b"
)
PROVING = re.compile(
    r"^\W*(?:demuestr|prove\b|prueba (?:que|el|la)\b|show (?:that|why)\b|deriv[ae]\b|deduce|justif|"
    r"can u prove|give (?:a|the) (?:proof|argument))"
)

Matches = Mapping[str, Sequence[str]]
"""For each list of the lexicon its words in a text."""


class Features(NamedTuple):
    """One question's features by name (zeros left out), with the parse and the words behind them."""

    question: ParsedQuestion
    values: dict[str, float]
    matches: Matches


def extract_features(message: str, *, lexicon: Lexicon | None = None) -> Features:
    """All features of one message. `lexicon` stands in for the whole one, in training."""
    lexicon = lexicon or load_lexicon()
    question = parse_question(message)
    tokens = TOKEN.findall(question.text)[:MAX_TOKENS]
    matches = lexicon.match(tokens)
    in_question = lexicon.match(TOKEN.findall(question.question_sentence))
    values = {
        **_lexical(matches, in_question),
        **_shape(question, tokens),
        **_code(question, matches),
    }
    values |= interactions(values)
    return Features(question, {name: round(value, 3) for name, value in values.items() if value}, matches)


def _lexical(matches: Matches, in_question: Matches) -> dict[str, float]:
    """Distinct words of each list and group, in the whole text and (`.ask`) in the sentence that asks.

    `.share` is twice the group's part of all matches, smoothed by two.
    """
    values: dict[str, float] = {}
    for name, found in matches.items():
        values[name] = math.log1p(len(set(found)))
        values[f"{name}.ask"] = math.log1p(len(set(in_question[name])))
    total = sum(len(found) for found in matches.values())
    for group, names in GROUPS.items():
        distinct = {word for name in names for word in matches[name]}
        values[group] = math.log1p(len(distinct))
        values[f"{group}.ask"] = math.log1p(len({word for name in names for word in in_question[name]}))
        values[f"{group}.share"] = 2 * len(distinct) / (total + 2)
    return values


def _shape(question: ParsedQuestion, tokens: Sequence[str]) -> dict[str, float]:
    """Length, figures, formulas, punctuation and mood."""
    count, text = len(tokens), question.text
    numbers = len(patterns.NUMBER.findall(question.raw_text))
    math_signs = len(patterns.MATH.findall(question.raw_text))
    proving = PROVING.search(question.question_sentence) or PROVING.search(text)
    return {
        "bias": 1.0,
        "words<=2": float(count <= 2),
        "words<=5": float(count <= 5),
        "words<=12": float(count <= 12),
        "words>25": float(count > 25),
        "words>60": float(count > 60),
        "length": min(3.0, math.log1p(count) / 2),
        "numbers": math.log1p(numbers),
        "numbers>=3": float(numbers >= 3),
        "math": math.log1p(math_signs),
        "learned": math.log1p(len(patterns.GRECO_LATIN.findall(text))),
        "question": float("?" in text),
        "clauses": math.log1p(text.count(",") + 2 * text.count(";")),
        "greeted": float(question.has_greeting),
        "doing": float(bool(FIRST_PERSON.search(text))),
        "proving": float(bool(proving)),
        "contentless": float(all(word in STOP_WORDS for word in tokens)),
        "spanish": float(question.language == "es"),
    }


def _code(question: ParsedQuestion, matches: Matches) -> dict[str, float]:
    """Code that was pasted or named, and tasks that want only its words (a comment translated)."""
    raw, pasted = question.raw_text, question.pasted
    both = (raw, pasted)
    inline = sum(len(patterns.INLINE_CODE.findall(text)) for text in both)
    traces = sum(len(patterns.STACK_TRACE.findall(text)) for text in both)
    commands = sum(len(patterns.SHELL_COMMAND.findall(text)) for text in both)
    languages = len(patterns.LANGUAGE_NAME.findall(raw))
    languages += len(patterns.LANGUAGE_IN_CONTEXT.findall(question.text))
    share = question.code_lines / question.lines if question.lines else 1.0
    real = bool(pasted) and (inline > 0 or question.has_fence or question.code_lines > 1)
    text_task = bool(matches["language_chore"])
    return {
        "code.pasted": float(real),
        "code.share": share if pasted else 0.0,
        "code.pieces": math.log1p(inline),
        "code.trace": math.log1p(traces),
        "code.shell": math.log1p(commands),
        "code.file": math.log1p(len(patterns.FILE_NAME.findall(raw))),
        "code.named": math.log1p(languages),
        "code.bare": float(question.only_paste),
        "code.signs": min(1.5, 10 * len(patterns.CODE_SYMBOL.findall(raw)) / (len(raw) + 20)),
        "chore.comment": float(text_task and bool(matches["comment_only"])),
        "chore.quoted": float(text_task and bool(patterns.QUOTED.search(raw))),
    }
