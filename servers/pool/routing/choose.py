"""Which model a question deserves, and which one serves it now. Pure: no clock, no network, no log."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from servers.pool.catalog.catalog import Catalog, ModelSpec
from servers.pool.catalog.routing_options import Auto, Wish
from servers.pool.routing import conversation as talk
from servers.pool.routing.classifier import KINDS, Verdict, score
from servers.pool.routing.conversation import Message, text_of
from servers.pool.routing.explain import of_reading, say, weighed
from servers.pool.routing.features import Reading, read
from tools.schema import Language, Route

__all__ = ["State", "choose", "text_of"]

CARRY, OWN = 1.0, 0.4
"""What a message that points back inherits of the conversation's log-chances, halved a turn, and what its own
few words count."""
CHARS_A_TOKEN = 3.0
ANSWER_TOKENS = 512
# How well a model made for one kind serves a question of another.
FIT: dict[str, dict[str, float]] = {
    "general": {"general": 1.0, "technical": 0.97, "coding": 0.85, "expert": 0.98},
    "technical": {"general": 0.7, "technical": 1.0, "coding": 0.75, "expert": 0.98},
    "coding": {"general": 0.45, "technical": 0.65, "coding": 1.0, "expert": 0.92},
    "expert": {"general": 0.35, "technical": 0.6, "coding": 0.6, "expert": 1.0},
}


@dataclass(frozen=True)
class State:
    """What the pool can serve now: ids available, ids loaded, measured seconds of a load."""

    available: frozenset[str]
    loaded: frozenset[str] = frozenset()
    load_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Served:
    """The model that serves, and the reasons when it is not the one that is deserved."""

    model: str
    why: tuple[str, ...] = ()


def choose(messages: Sequence[Message], catalogue: Catalog, state: State, wish: Wish | None = None) -> Route:
    """The decision for one conversation. Without an `[auto]` table the first chat model is the default."""
    wish = wish or Wish()
    reading, verdict, followed = understand(messages)
    chances = verdict.chances
    ranked = _ranked(catalogue, chances)
    auto = catalogue.auto or Auto(default=ranked[0], last=ranked[0])
    made_for = {spec.domain for spec in catalogue.models.values() if spec.kind == "chat"}
    wanted = ranked[0] if made_for & set(KINDS) else auto.default
    served = _Choice(catalogue, state, wish, auto, reading.parts.language, talk.length_of(messages)).served(
        wanted, ranked, chances, question=reading.parts.said_raw
    )
    return Route(
        wanted=wanted,
        model=served.model,
        confidence=round(chances[verdict.kind], 2),
        reasons=[
            *of_reading(reading, verdict, followed=followed, passages=talk.has_passages(messages)),
            *served.why,
        ],
        signals=weighed(verdict, reading.signals),
        alternatives=[name for name in ranked if name not in (wanted, served.model)],
    )


def understand(messages: Sequence[Message]) -> tuple[Reading, Verdict, bool]:
    """What the last message shows, what it deserves, and whether it goes on with the conversation."""
    asked = talk.questions_of(messages) or [""]
    reading = read(asked[0])
    if len(asked) == 1 or not talk.goes_on(asked[0]):
        return reading, score(reading.signals), False
    before = dict.fromkeys(KINDS, 0.0)
    for turn, question in enumerate(asked[1:]):
        for kind, chance in score(read(question).signals).chances.items():
            before[kind] += CARRY * 0.5**turn * math.log(max(chance, 1e-3))
    return reading, score({name: OWN * value for name, value in reading.signals.items()}, before), True


class _Choice:
    """One decision about who serves; everything it needs is given, nothing is asked."""

    def __init__(
        self, catalogue: Catalog, state: State, wish: Wish, auto: Auto, language: Language, chars: int
    ) -> None:
        self.catalogue, self.state, self.wish, self.auto = catalogue, state, wish, auto
        self.language: Language = language
        self.tokens = chars / CHARS_A_TOKEN + ANSWER_TOKENS
        self.limit = wish.max_cost

    def served(
        self, wanted: str, ranked: list[str], chances: Mapping[str, float], *, question: str
    ) -> Served:
        if self.wish.model is not None:
            name = self.catalogue.spec(self.wish.model).id
            return self._present(name, ranked, [say("asked", self.language, model=name)])
        pin = self._ruled(self.catalogue.models[wanted].domain, question)
        if pin is not None:
            return self._present(pin, ranked, [say("rule", self.language, model=pin)])
        objection = self._objection(wanted)
        if objection or wanted not in self.state.available:
            return self._present(wanted, ranked, [objection] if objection else [])
        return self._cheaper(wanted, ranked, chances)

    def _ruled(self, domain: str, question: str) -> str | None:
        """The model of the first pinning rule; ceilings of the rules that hold are kept on the way."""
        pin: str | None = None
        for rule in self.auto.rules:
            if rule.holds(question, domain, self.wish.key):
                if rule.max_cost is not None:
                    self.limit = rule.max_cost if self.limit is None else min(self.limit, rule.max_cost)
                pin = pin or rule.model
        return pin

    def _present(self, wanted: str, ranked: list[str], why: list[str]) -> Served:
        """`wanted` if it can serve, else the first that can: declared fallbacks come first."""
        if wanted in self.state.available and self._objection(wanted) is None:
            return Served(wanted, tuple(why))
        for name in self._order(wanted, ranked):
            if name in self.state.available and self._objection(name) is None:
                absent = wanted not in self.state.available
                note = say("absent" if absent else "instead", self.language, wanted=wanted, model=name)
                return Served(name, (*why, note))
        return Served(wanted, (*why, say("nothing", self.language, wanted=wanted)))

    def _order(self, wanted: str, ranked: list[str]) -> Iterator[str]:
        yield from self.catalogue.models[wanted].fallbacks
        yield from (name for name in ranked if self.catalogue.models[name].domain in KINDS)
        yield self.auto.last
        yield from ranked

    def _objection(self, name: str) -> str | None:
        """Why the caller or the text rules a model out; None when neither does."""
        spec = self.catalogue.models[name]
        if name in self.wish.exclude:
            return say("excluded", self.language, wanted=name)
        if self.limit is not None and spec.cost > self.limit:
            return say("costly", self.language, wanted=name, limit=self.limit)
        room = window(spec.args)
        if room is not None and self.tokens > room:
            return say("too_long", self.language, wanted=name)
        return None

    def _cheaper(self, wanted: str, ranked: list[str], chances: Mapping[str, float]) -> Served:
        """A loaded model takes the place of `wanted` when the wait for that one outweighs what it gains."""
        worth = {
            name: quality(self.catalogue.models[name], chances) - self._wait(name) / self.auto.patience_s
            for name in ranked
            if name in self.state.available and self._objection(name) is None
        }
        previous = self.wish.previous
        if previous in worth:
            worth[previous] += self.auto.sticky
        best = max(worth, key=lambda name: (worth[name], name == wanted))
        if best == wanted or worth[best] - worth[wanted] < 0.02:
            return Served(wanted)
        if best == previous and self._wait(wanted) == 0:
            return Served(best, (say("sticky", self.language, model=best),))
        if best not in self.state.loaded or self._wait(wanted) == 0:
            return Served(wanted)
        return Served(best, (say("swap", self.language, model=best, wanted=wanted, wait=self._wait(wanted)),))

    def _wait(self, name: str) -> float:
        return 0.0 if name in self.state.loaded else self.state.load_s.get(name, 0.0)


def quality(spec: ModelSpec, chances: Mapping[str, float]) -> float:
    """How well a model is expected to serve a question of these chances, in [0, 1]."""
    return sum(chance * FIT[kind].get(spec.domain, 0.0) for kind, chance in chances.items())


@lru_cache(maxsize=64)
def window(args: tuple[str, ...]) -> int | None:
    """Tokens that a model can hold, as its engine is told; None when nothing says."""
    for flag, value in pairwise(args):
        if flag == "--max-model-len" and value.isdigit():
            return int(value)
    return None


def _ranked(catalogue: Catalog, chances: Mapping[str, float]) -> list[str]:
    """Chat models, those made for the likeliest kind first; of equals the catalogue's first."""
    chat = [spec for spec in catalogue.models.values() if spec.kind == "chat"]
    return [spec.id for spec in sorted(chat, key=lambda spec: -_claim(spec, chances))]


def _claim(spec: ModelSpec, chances: Mapping[str, float]) -> float:
    return chances.get(spec.domain, -1.0)
