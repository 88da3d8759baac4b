"""Measures one question: which signals it shows and how strongly. It judges nothing; the weights do.

Signals are named numbers, mostly in [0, 3]. There is none for a single word: what the lists do not know
must not be learnt from a few hundred examples.
"""

import math
import re
import tomllib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from servers.pool.routing import parse as text
from servers.pool.routing.parse import Parts, take_apart
from tools.text.stopwords import QUESTION_STOP_WORDS

LEXICON = Path(__file__).with_name("lexicon.toml")
TOKEN = re.compile(r"[^\W_]+(?:_[^\W_]+)*")
SHORTEST_PREFIX, MOST_TOKENS = 3, 800
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
"""Lists that are also counted together."""
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


class Lexicon:
    """Word lists as look-up tables: whole words, phrases and beginnings of words."""

    def __init__(self, lists: dict[str, str]) -> None:
        self.names = tuple(lists)
        self.whole: dict[str, tuple[str, ...]] = {}
        self.prefix: dict[str, tuple[str, ...]] = {}
        self.heads: dict[str, int] = {}
        for name, words in lists.items():
            for word in words.split():
                self._add(word, name)

    def _add(self, word: str, name: str) -> None:
        table, key = (self.prefix, word[:-1]) if word.endswith("*") else (self.whole, word)
        key = key.replace("_", " ")
        table[key] = (*table.get(key, ()), name)
        head, *rest = key.split(" ")
        self.heads[head] = max(self.heads.get(head, 1), len(rest) + 1)

    def find(self, tokens: list[str]) -> dict[str, list[str]]:
        """For each list, its words and phrases in `tokens`, each occurrence once."""
        found: dict[str, list[str]] = {name: [] for name in self.names}
        for index, token in enumerate(tokens):
            for name in self._at(tokens, index, token):
                found[name[0]].append(name[1])
        return found

    def _at(self, tokens: list[str], index: int, token: str) -> Iterable[tuple[str, str]]:
        for size in range(self.heads.get(token, 1), 1, -1):
            phrase = " ".join(tokens[index : index + size])
            names = self.whole.get(phrase) or self._begun(phrase, len(token) + 2)
            if names:
                return [(name, phrase) for name in names]
        names = self.whole.get(token) or self._begun(token, SHORTEST_PREFIX)
        return [(name, token) for name in names]

    def _begun(self, word: str, least: int) -> tuple[str, ...]:
        for size in range(len(word), least - 1, -1):
            names = self.prefix.get(word[:size])
            if names:
                return names
        return ()


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    return Lexicon(tomllib.loads(LEXICON.read_text(encoding="utf-8")))


class Reading(NamedTuple):
    """What was read from one question: its parts, its signals, and the words that stand behind them."""

    parts: Parts
    signals: dict[str, float]
    words: dict[str, list[str]]


def read(question: str, *, known: Lexicon | None = None) -> Reading:
    """All signals of one question. `known` stands in for the whole lexicon, in training."""
    known = known or lexicon()
    parts = take_apart(question)
    tokens = TOKEN.findall(parts.said)[:MOST_TOKENS]
    asked = TOKEN.findall(parts.ask)
    words = known.find(tokens)
    signals = {**_of_words(words, known.find(asked)), **_of_shape(parts, tokens), **_of_code(parts, words)}
    signals |= _crossed(signals)
    return Reading(parts, {name: round(value, 3) for name, value in signals.items() if value}, words)


def _of_words(words: dict[str, list[str]], in_ask: dict[str, list[str]]) -> dict[str, float]:
    signals: dict[str, float] = {}
    for name, found in words.items():
        signals[name] = math.log1p(len(set(found)))
        signals[f"{name}.ask"] = math.log1p(len(set(in_ask[name])))
    for group, names in GROUPS.items():
        whole = {word for name in names for word in words[name]}
        signals[group] = math.log1p(len(whole))
        signals[f"{group}.ask"] = math.log1p(len({word for name in names for word in in_ask[name]}))
        signals[f"{group}.share"] = 2 * len(whole) / (sum(len(found) for found in words.values()) + 2)
    return signals


def _of_shape(parts: Parts, tokens: list[str]) -> dict[str, float]:
    count = len(tokens)
    numbers = len(text.NUMBER.findall(parts.said_raw))
    math_signs = len(text.MATH.findall(parts.said_raw))
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
        "learned": math.log1p(len(text.LEARNED.findall(parts.said))),
        "question": float("?" in parts.said),
        "clauses": math.log1p(parts.said.count(",") + 2 * parts.said.count(";")),
        "greeted": float(parts.greeted),
        "doing": float(bool(FIRST_PERSON.search(parts.said))),
        "proving": float(bool(PROVING.search(parts.ask) or PROVING.search(parts.said))),
        "contentless": float(
            all(any(word in stop for stop in QUESTION_STOP_WORDS.values()) for word in tokens)
        ),
        "spanish": float(parts.language == "es"),
    }


def _of_code(parts: Parts, words: dict[str, list[str]]) -> dict[str, float]:
    raw, pasted = parts.said_raw, parts.pasted
    chore = bool(words["language_chore"]) and bool(words["comment_only"])
    pieces = len(text.CODE_PIECE.findall(raw)) + len(text.CODE_PIECE.findall(pasted))
    trace = len(text.TRACE.findall(raw)) + len(text.TRACE.findall(pasted))
    named = len(text.LANGUAGE_NAME.findall(raw)) + len(text.AMBIGUOUS_USE.findall(parts.said))
    code_share = parts.code_lines / parts.lines if parts.lines else float(bool(pasted))
    real = float(bool(pasted) and (pieces > 0 or parts.fenced or parts.code_lines > 1))
    return {
        "code.pasted": real,
        "code.share": code_share if pasted else 0.0,
        "code.pieces": math.log1p(pieces),
        "code.trace": math.log1p(trace),
        "code.shell": math.log1p(len(text.SHELL.findall(raw)) + len(text.SHELL.findall(pasted))),
        "code.file": math.log1p(len(text.FILE.findall(raw))),
        "code.named": math.log1p(named),
        "code.bare": float(parts.bare),
        "code.signs": min(1.5, 10 * len(text.SIGN.findall(raw)) / (len(raw) + 20)),
        "chore.comment": float(chore),
        "chore.quoted": float(bool(words["language_chore"]) and bool(text.QUOTED.search(raw))),
    }


def _crossed(signals: dict[str, float]) -> dict[str, float]:
    """Pairs that mean more together than apart."""
    code = sum(
        signals[name]
        for name in ("code", "code_ask", "code.named", "code.pieces", "code.trace", "code.shell")
    )
    technical, everyday, reason = signals["technical"], signals["everyday"], signals["reason"]
    telling, artifact, chore = signals["telling"], signals["artifact"], signals["language_chore"]
    pressed = signals["condition"] + signals["numbers"]
    some_code, no_code = min(1.0, code), float(code == 0)
    plain = float(signals["math"] + signals["numbers"] == 0)
    defining = signals["what.ask"] + signals["explain.ask"] + signals["why.ask"]
    return {
        "x.artifact+code": min(2.0, artifact * some_code),
        "x.artifact-code": artifact * no_code,
        "x.ambiguous+code": min(2.0, signals["ambiguous"] * some_code),
        "x.ambiguous-code": signals["ambiguous"] * no_code,
        "x.artifact+everyday": artifact * everyday * no_code,
        "x.artifact+doing": artifact * signals["doing"],
        "x.code+doing": some_code * signals["doing"],
        "x.code+defining": min(2.0, some_code * defining)
        if not signals["code.pasted"] + signals["code.trace"]
        else 0.0,
        "x.technical+doing": min(2.0, technical * signals["doing"]),
        "x.telling+technical": min(2.5, telling * technical),
        "x.telling+everyday": min(2.5, telling * everyday) if technical == 0 else 0.0,
        "x.telling-topic": telling * float(technical + code + everyday == 0),
        "x.technical-everyday": technical if everyday == 0 else 0.0,
        "x.technical-reason": technical if reason == 0 else 0.0,
        "x.reason+pressed": min(3.0, reason * pressed / 2),
        "x.reason+math": min(3.0, reason * signals["math"]),
        "x.reason-everyday": reason if everyday == 0 else 0.0,
        "x.reason+defining": min(2.0, reason * defining * plain),
        "x.quantity+pressed": min(3.0, signals["quantity"] * pressed / 2),
        "x.everyday+pressed": min(3.0, everyday * pressed / 2),
        "x.reason+everyday": min(2.0, reason * everyday) * plain,
        "x.chore+code": min(2.0, chore * some_code),
        "x.chore-code": chore if signals["code.pasted"] == 0 else 0.0,
        "x.math-code": signals["math"] if signals["code"] + signals["code_ask"] == 0 else 0.0,
        "x.numbers-code": signals["numbers"] * no_code,
        "x.numbers-topic": signals["numbers"] * no_code * float(technical == 0),
        "x.learned+short": signals["learned"] * (signals["words<=2"] + signals["words<=5"]),
        "x.topicless": float(code + technical + reason + signals["math"] + everyday == 0),
        "x.unserious": float(code + technical + reason + signals["math"] == 0),
    }
