"""The routing policy: which model serves, given the ranking of what the question deserves.

In this order: the model the caller named; the first rule of the catalogue that pins one; the best that is
available, allowed, able and large enough, its fallbacks before the rest; and of several that could serve, a
loaded one when loading the best takes longer than its quality is worth. Pure: everything it needs is given.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from servers.pool.catalog.catalog import Catalog, ModelSpec
from servers.pool.catalog.routing_options import RoutingConfig, RoutingOptions
from servers.pool.routing.classifier import DOMAINS
from servers.pool.routing.explain import reason
from servers.pool.routing.needs import Need, lacking
from tools.schema import Language

CHARS_PER_TOKEN = 3.0
ANSWER_TOKENS = 512
"""A prompt is guessed at three characters a token, and room is left for an answer: rather too much."""
MIN_GAIN = 0.02
"""Another model takes over only when it is worth so much more, so that near ties keep the deserved one."""
# How well a model made for one domain (inner key) serves a question of another (outer key). Estimates: no
# benchmark measures them.
FIT: dict[str, dict[str, float]] = {
    "general": {"general": 1.0, "technical": 0.97, "coding": 0.85, "expert": 0.98},
    "technical": {"general": 0.7, "technical": 1.0, "coding": 0.75, "expert": 0.98},
    "coding": {"general": 0.45, "technical": 0.65, "coding": 1.0, "expert": 0.92},
    "expert": {"general": 0.35, "technical": 0.6, "coding": 0.6, "expert": 1.0},
}


@dataclass(frozen=True)
class PoolState:
    """What the pool can serve now: ids available, ids loaded, and the measured seconds of a load by id."""

    available: frozenset[str]
    loaded: frozenset[str] = frozenset()
    load_s: Mapping[str, float] = field(default_factory=dict[str, float])

    def wait_s(self, model: str) -> float:
        """Seconds until `model` can answer: 0 when it is loaded or no load was measured yet."""
        return 0.0 if model in self.loaded else self.load_s.get(model, 0.0)


@dataclass(frozen=True)
class RankedQuestion:
    """What the policy must know of the question.

    `ranked` are candidates by id, best first, the first being deserved; `probabilities` are the domains'.
    `text` is what rules match; `chars` the length of the whole conversation; `needs` what a model must
    be able to do.
    """

    ranked: Sequence[str]
    wanted: str
    probabilities: Mapping[str, float]
    text: str
    chars: int
    language: Language
    needs: tuple[Need, ...] = ()


@dataclass(frozen=True)
class Selection:
    """The model that serves, and the reasons when it is not the one that is deserved."""

    model: str
    reasons: tuple[str, ...] = ()


class Policy:
    """Selects for one question, by the `[auto]` table, the caller's options and the pool's state."""

    def __init__(
        self,
        catalog: Catalog,
        config: RoutingConfig,
        state: PoolState,
        options: RoutingOptions,
        question: RankedQuestion,
    ) -> None:
        self.catalog, self.config, self.state, self.options = catalog, config, state, options
        self.question = question
        self.tokens = question.chars / CHARS_PER_TOKEN + ANSWER_TOKENS
        self.max_cost = options.max_cost

    def select(self) -> Selection:
        """The model that serves. Raises ModelNotFound when the caller names one that the catalogue lacks."""
        wanted = self.question.wanted
        if self.options.model is not None:
            name = self.catalog.spec(self.options.model).id
            return self._available(name, [self._reason("asked", model=name)])
        pinned = self._apply_rules(self.catalog.models[wanted].domain)
        if pinned is not None:
            return self._available(pinned, [self._reason("rule", model=pinned)])
        objection = self._objection(wanted)
        if objection or wanted not in self.state.available:
            return self._available(wanted, [objection] if objection else [])
        return self._worth_loading(wanted)

    def _apply_rules(self, domain: str) -> str | None:
        """The model of the first pinning rule that matches; every matching rule's cost ceiling is kept."""
        pinned: str | None = None
        for rule in self.config.rules:
            if rule.matches(self.question.text, domain, self.options.key):
                if rule.max_cost is not None:
                    self.max_cost = (
                        rule.max_cost if self.max_cost is None else min(self.max_cost, rule.max_cost)
                    )
                pinned = pinned or rule.model
        return pinned

    def _available(self, wanted: str, reasons: list[str]) -> Selection:
        """`wanted` if it can serve, else the first candidate that can, in the order of `_replacements`."""
        if self._can_serve(wanted):
            return Selection(wanted, tuple(reasons))
        # When no model is able, one that can read the text is better than none.
        able = [name for name in self._replacements(wanted) if self._can_serve(name)]
        spare = [name for name in self._replacements(wanted) if self._can_serve(name, able=False)]
        for name in able or spare:
            if name != wanted:
                absent = wanted not in self.state.available
                note = self._reason("absent" if absent else "instead", wanted=wanted, model=name)
                return Selection(name, (*reasons, note))
        return Selection(wanted, (*reasons, self._reason("nothing", wanted=wanted)))

    def _replacements(self, wanted: str) -> Iterator[str]:
        """Declared fallbacks, the ranking's models of the four domains, the last resort, the rest."""
        yield from self.catalog.models[wanted].fallbacks
        yield from (name for name in self.question.ranked if self.catalog.models[name].domain in DOMAINS)
        yield self.config.last
        yield from self.question.ranked

    def _can_serve(self, name: str, *, able: bool = True) -> bool:
        return name in self.state.available and self._objection(name, able=able) is None

    def _objection(self, name: str, *, able: bool = True) -> str | None:
        """Why the caller, a cost ceiling, the text's length or (unless not `able`) a need rules a model out;
        None when none does."""
        spec = self.catalog.models[name]
        need = lacking(spec, self.question.needs) if able else None
        if need is not None:
            return self._reason("unable", wanted=name, need=need)
        if name in self.options.exclude:
            return self._reason("excluded", wanted=name)
        if self.max_cost is not None and spec.cost > self.max_cost:
            return self._reason("costly", wanted=name, limit=self.max_cost)
        window = context_window(spec.args)
        if window is not None and self.tokens > window:
            return self._reason("too_long", wanted=name)
        return None

    def _worth_loading(self, wanted: str) -> Selection:
        """`wanted`, unless a loaded model is worth more: expected quality less the wait's share of patience.

        The conversation's previous model is worth `sticky` more, so that it changes only for a real gain.
        """
        state, previous = self.state, self.options.previous
        worth = {
            name: expected_quality(self.catalog.models[name], self.question.probabilities)
            - state.wait_s(name) / self.config.patience_s
            for name in self.question.ranked
            if self._can_serve(name)
        }
        if previous in worth:
            worth[previous] += self.config.sticky
        best = max(worth, key=lambda name: (worth[name], name == wanted))
        if best == wanted or worth[best] - worth[wanted] < MIN_GAIN:
            return Selection(wanted)
        wait_s = state.wait_s(wanted)
        if best == previous and wait_s == 0:
            return Selection(best, (self._reason("sticky", model=best),))
        if best not in state.loaded or wait_s == 0:
            return Selection(wanted)
        return Selection(best, (self._reason("swap", model=best, wanted=wanted, wait=wait_s),))

    def _reason(self, name: str, **fields: object) -> str:
        return reason(name, self.question.language, **fields)


def expected_quality(spec: ModelSpec, probabilities: Mapping[str, float]) -> float:
    """How well a model is expected to serve, in [0, 1]: the mean of FIT under the domains' probabilities."""
    return sum(weight * FIT[domain].get(spec.domain, 0.0) for domain, weight in probabilities.items())


@lru_cache(maxsize=64)
def context_window(args: tuple[str, ...]) -> int | None:
    """Tokens that a model can hold, from its engine's `--max-model-len`; None when nothing says."""
    for flag, value in pairwise(args):
        if flag == "--max-model-len" and value.isdigit():
            return int(value)
    return None
