"""The routing policy: which model serves, given the ranking of what the question deserves.

In this order: the model the caller named; the first rule of the catalogue that pins one; the best that is
available, allowed, able and large enough, its fallbacks before the rest; and of several that could serve, a
loaded one when loading the best takes longer than its quality is worth. A text that is guessed to fit none
goes to the largest window; what nobody is able or allowed to do is refused. Pure: all it needs is given.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from servers.pool.catalog.catalog import Catalog, ModelSpec
from servers.pool.catalog.routing_options import RoutingConfig, RoutingOptions
from servers.pool.routing.classifier import DOMAINS
from servers.pool.routing.explain import reason
from servers.pool.routing.needs import NOTHING, Needs, lacking
from tools.errors import BadRequest
from tools.schema import Language

MIN_GAIN = 0.02
"""Another model takes over only when it is worth so much more, so that near ties keep the deserved one."""
NEARLY = 0.1
"""In the place of a model that cannot serve, the cheapest is good enough that is expected to lose no more."""
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
    `text` is what rules match; `needs` what a model must be able to do and to hold.
    """

    ranked: Sequence[str]
    wanted: str
    probabilities: Mapping[str, float]
    text: str
    language: Language
    needs: Needs = NOTHING


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
        self.max_cost = options.max_cost

    def select(self) -> Selection:
        """The model that serves. Raises ModelNotFound when the caller names one that the catalogue lacks, and
        BadRequest when nothing that is available is able or allowed to answer."""
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
        chosen = next((name for name in self._replacements(wanted) if self._can_serve(name)), None)
        roomiest = self._roomiest(wanted)
        if roomiest is not None and (chosen is None or self.catalog.models[chosen].domain not in DOMAINS):
            # A guess of a length rules a model out only where another one holds it.
            return Selection(roomiest, (self._reason("roomiest", model=roomiest),))
        if chosen is not None:
            return self._instead(wanted, chosen, reasons)
        return self._without_optional(wanted) or self._absent(wanted, reasons)

    def _instead(self, wanted: str, chosen: str, reasons: Sequence[str]) -> Selection:
        absent = wanted not in self.state.available
        note = self._reason("absent" if absent else "instead", wanted=wanted, model=chosen)
        return Selection(chosen, (*reasons, note))

    def _without_optional(self, wanted: str) -> Selection | None:
        """The first candidate that can serve but for what is optional; None when there is none."""
        for length in (True, False):
            for name in self._replacements(wanted):
                if self._can_serve(name, length=length, optional=False):
                    need = lacking(self.catalog.models[name], self.question.needs)
                    what = need.ability if need else ""
                    return Selection(name, (self._reason("without", model=name, need=what),))
        return None

    def _absent(self, wanted: str, reasons: Sequence[str]) -> Selection:
        """The model that would serve if it were there, for the pool to say why it is not. Raises BadRequest
        for what rules out every model that there is, by the field that asks for it."""
        names = dict.fromkeys((wanted, *self._replacements(wanted)))
        for name in names:
            if not (self._unable(name) or self._forbidden(name)):
                return Selection(name, (*reasons, self._reason("nothing", wanted=name)))
        for name in names:
            need = lacking(self.catalog.models[name], self.question.needs)
            if need is not None:
                message = f"no model here can do what {need.field} asks for: {need.ability}"
                raise BadRequest(message, param=need.field, source="pool", code="no_able_model")
        message = "route: what is excluded, or costs too much, leaves no model"
        raise BadRequest(message, param="route", source="pool", code="no_allowed_model")

    def _roomiest(self, wanted: str) -> str | None:
        """Of the four domains' models that only the text's length rules out, that of the largest window;
        of equals the first."""
        names = dict.fromkeys((wanted, *self._replacements(wanted)))
        held = {
            name: context_tokens(self.catalog.models[name]) or 0
            for name in names
            if self.catalog.models[name].domain in DOMAINS and self._can_serve(name, length=False)
        }
        return max(held, key=held.__getitem__, default=None)

    def _refuse(self) -> None:
        """Raises BadRequest for what rules out every model there is, by the field that asks for it."""
        for spec in map(self.catalog.spec, self.state.available):
            need = lacking(spec, self.question.needs)
            if need is not None and need[0] not in self.question.needs.optional:
                what, field = need
                raise BadRequest(
                    f"no model that is available here can do what {field} asks: {what}",
                    param=field, source="pool", code="no_able_model",
                )  # fmt: skip
        raise BadRequest(
            "route: what is excluded, or costs too much, leaves no model that is available",
            param="route", source="pool", code="no_allowed_model",
        )  # fmt: skip

    def _replacements(self, wanted: str) -> Iterator[str]:
        """Declared fallbacks, models of the four domains, the last resort, the rest.

        Of the four domains' those come first of which nearly as much is expected as of any, the cheapest
        before the dearer, then the others by what is expected of them.
        """
        yield from self.catalog.models[wanted].fallbacks
        specs = [self.catalog.models[name] for name in self.question.ranked]
        quality = {
            spec.id: expected_quality(spec, self.question.probabilities)
            for spec in specs
            if spec.domain in DOMAINS
        }
        enough = max(quality.values(), default=0.0) - NEARLY
        near = [name for name in quality if quality[name] >= enough]
        yield from sorted(near, key=lambda name: (self.catalog.models[name].cost, -quality[name]))
        yield from sorted(quality, key=lambda name: -quality[name])
        yield self.config.last
        yield from self.question.ranked

    def _can_serve(self, name: str, *, length: bool = True, optional: bool = True) -> bool:
        """Whether a model is there and nothing speaks against it; its length and what is optional count
        unless told otherwise."""
        if name not in self.state.available or self._forbidden(name) or self._unable(name, optional=optional):
            return False
        return not (length and self._too_long(name))

    def _objection(self, name: str) -> str | None:
        """Why a need, the caller, a cost ceiling or the text's length rules a model out; None: nothing."""
        return self._unable(name) or self._forbidden(name) or self._too_long(name)

    def _unable(self, name: str, *, optional: bool = True) -> str | None:
        need = lacking(self.catalog.models[name], self.question.needs, optional=optional)
        return self._reason("unable", wanted=name, need=need.ability) if need else None

    def _forbidden(self, name: str) -> str | None:
        if name in self.options.exclude:
            return self._reason("excluded", wanted=name)
        if self.max_cost is not None and self.catalog.models[name].cost > self.max_cost:
            return self._reason("costly", wanted=name, limit=self.max_cost)
        return None

    def _too_long(self, name: str) -> str | None:
        window = context_tokens(self.catalog.models[name])
        too_long = window is not None and self.question.needs.tokens > window
        return self._reason("too_long", wanted=name) if too_long else None

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


def context_tokens(spec: ModelSpec) -> int | None:
    """Tokens that a model can hold, by the catalogue or its engine's arguments; None when neither says."""
    return spec.context_tokens or context_window(spec.args)


@lru_cache(maxsize=64)
def context_window(args: tuple[str, ...]) -> int | None:
    """Tokens that a model can hold, from its engine's `--max-model-len`; None when nothing says."""
    for flag, value in pairwise(args):
        if flag == "--max-model-len" and value.isdigit():
            return int(value)
    return None
