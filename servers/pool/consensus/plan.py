"""Plans a consensus around what is loaded: which members are asked, in which order, with what budget. Pure.

Models that run elsewhere or are loaded cost no slot, and only they are asked, unless the table or the caller
says `load`: then of the others those that find a free slot, and one more, so that never more than one model
is pushed out for one question. Who was measured to take longer than there is time for is not asked.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace

from servers.pool.catalog.catalog import Catalog, ModelSpec
from servers.pool.catalog.consensus_options import ConsensusConfig, ConsensusOptions, Strategy, Template
from servers.pool.routing.classifier import DOMAINS
from servers.pool.routing.needs import NOTHING, Needs, lacking
from servers.pool.routing.policy import PoolState
from tools.errors import BadRequest

TEMPLATE_OF: dict[str, Template] = {
    "general": "general",
    "technical": "technical",
    "coding": "coding",
    "expert": "analysis",
}
FINAL_SHARE = 0.45
"""The part of the deadline that is kept for the final model, which reads all drafts; an estimate."""
NO_FINAL_SHARE = 0.05
"""The part that is kept when no final model follows."""
NOT_LOADED = "not loaded, and nobody said `load`"
UNEQUAL_MEMBERS = (
    "members of unequal strength: their plurality was measured worse than the best of them alone"
)
"""`tests/bench/consensus.py`: a vote of all four 61.0 % right, the strongest alone 62.6 %."""


@dataclass(frozen=True)
class Plan:
    """Who is asked for one question, and with what budget.

    `waves` are asked one after the other, the models within one at the same time. `final_model` is cascade's
    expert, best_of's judge or synthesize's writer; None when nobody is needed. `reserve` is asked after the
    waves when a member said nothing. `left_out` are pairs of a
    model and the reason. Tokens are of one model, deadlines in seconds, `agree` is the similarity that counts
    as agreement (0 to 1).
    """

    strategy: Strategy
    template: Template
    waves: tuple[tuple[str, ...], ...]
    final_model: str | None
    tokens_each: int
    deadline_s: float
    members_deadline_s: float
    agree: float
    load: bool = False
    """Whether the answer may wait for a model to be loaded."""
    warnings: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    reserve: str | None = None

    @property
    def members(self) -> tuple[str, ...]:
        """All members, wave by wave, without the reserve."""
        return tuple(name for wave in self.waves for name in wave)


def plan(
    catalog: Catalog,
    state: PoolState,
    options: ConsensusOptions,
    *,
    domain: str,
    slots: int,
    answer_s: Mapping[str, float] | None = None,
    needs: Needs = NOTHING,
) -> Plan:
    """The plan for one question of `domain`; `slots` is how many local models may be loaded at once,
    `answer_s` how many seconds each is expected to take, where measured, `needs` what a model must be able
    to do to be asked. Raises ModelNotFound, and BadRequest when no model is able."""
    config, state = catalog.consensus or ConsensusConfig(), _able(catalog, state, needs)
    strategy = options.strategy or config.strategy
    load = config.load if options.load is None else options.load
    deadline_s = min(options.deadline_s or config.deadline_s, config.deadline_s)
    reach = _Reach(catalog, state, answer_s or {}, load=load, within_s=deadline_s)
    final_model = _final_model(catalog, reach.state, options, config)
    has_final = final_model is not None and strategy != "vote"
    members_s = deadline_s * (1 - (FINAL_SHARE if has_final else NO_FINAL_SHARE))
    reach = _Reach(catalog, state, answer_s or {}, load=load, within_s=members_s)
    seats = _seats(catalog, reach.state, options, config, final_model, slots)
    seats.fill(catalog, reach, _candidates(catalog, options, config, final_model, strategy))
    taken = {*seats.members, final_model} if strategy == "cascade" else None
    reserve = _reserve(catalog, reach.state, options, config, taken, seats.loads)
    return Plan(
        strategy=strategy,
        template=options.template or TEMPLATE_OF.get(domain, "general"),
        waves=seats.waves,
        final_model=final_model if has_final else None,
        tokens_each=_tokens_each(options, config, len(seats.members) + bool(final_model) + bool(reserve)),
        deadline_s=deadline_s,
        members_deadline_s=members_s,
        agree=config.agree,
        load=load,
        warnings=_warnings(catalog, strategy, seats.members),
        left_out=tuple((name, _inability(catalog, name, needs) or why) for name, why in seats.left_out),
        reserve=reserve,
    )


def _able(catalog: Catalog, state: PoolState, needs: Needs) -> PoolState:
    """`state` with the models that can do what is needed. Raises BadRequest when the catalogue has none."""
    lacked = [lacking(spec, needs, optional=False) for spec in catalog.models.values()]
    first = next((need for need in lacked if need is not None), None)
    if first is not None and None not in lacked:
        message = f"no model here can do what {first.field} asks for: {first.ability}"
        raise BadRequest(message, param=first.field, source="pool", code="no_able_model")
    able = frozenset(name for name in state.available if _inability(catalog, name, needs) is None)
    return replace(state, available=able)


def _inability(catalog: Catalog, name: str, needs: Needs) -> str | None:
    need = lacking(catalog.models[name], needs, optional=False)
    return f"cannot do {need.ability}" if need else None


def strength(spec: ModelSpec) -> tuple[int, float]:
    """Orders models by how strong the catalogue says they are: its `level`, then its `cost`."""
    return spec.level, spec.cost


def _candidates(
    catalog: Catalog,
    options: ConsensusOptions,
    config: ConsensusConfig,
    final_model: str | None,
    strategy: Strategy,
) -> list[str]:
    """The members that are named, else all chat models of the four domains, the weakest first.

    The final model is no member too, unless it votes or there is no other.
    """
    named = options.members or config.members
    chosen = [catalog.spec(name).id for name in dict.fromkeys(named)]
    if not chosen:
        able = [spec for spec in catalog.models.values() if _is_candidate(spec)]
        chosen = [spec.id for spec in sorted(able, key=strength)]
    if strategy == "vote":
        return chosen
    others = [name for name in chosen if name != final_model]
    return others or chosen


def _reserve(
    catalog: Catalog,
    state: PoolState,
    options: ConsensusOptions,
    config: ConsensusConfig,
    seated: Set[str | None] | None,
    loads: int,
) -> str | None:
    """The table's reserve, unless the caller named members of their own, it is `seated` already (None: the
    strategy has no use for it), or it can not be asked within the `loads` that are left."""
    if config.reserve is None or options.members is not None or seated is None:
        return None
    name = catalog.spec(config.reserve).id
    if name not in state.available or name in seated:
        return None
    return name if loads > 0 or not _needs_load(catalog, state, name) else None


def _final_model(
    catalog: Catalog, state: PoolState, options: ConsensusOptions, config: ConsensusConfig
) -> str | None:
    """The named expert while it can serve, else the strongest that can."""
    named = options.expert or config.expert
    if named is not None and catalog.spec(named).id in state.available:
        return named
    able = [catalog.models[name] for name in state.available if _is_candidate(catalog.models[name])]
    return max(able, key=lambda spec: (strength(spec), spec.id)).id if able else None


def _is_candidate(spec: ModelSpec) -> bool:
    return spec.kind == "chat" and spec.domain in DOMAINS


def _needs_load(catalog: Catalog, state: PoolState, name: str) -> bool:
    return catalog.models[name].local and name not in state.loaded


class _Reach:
    """Who can answer within so many seconds: `state` with those alone, and why each other one can not."""

    def __init__(
        self,
        catalog: Catalog,
        state: PoolState,
        answer_s: Mapping[str, float],
        *,
        load: bool,
        within_s: float,
    ) -> None:
        self.whole = state
        cold = {name for name in state.available if not load and _needs_load(catalog, state, name)}
        seconds = {name: state.wait_s(name) + answer_s.get(name, 0.0) for name in state.available - cold}
        late = {name for name, takes in seconds.items() if takes > within_s}
        if not any(_is_candidate(catalog.models[name]) for name in seconds.keys() - late):
            late.clear()  # a late answer is better than none
        self.left_out = {
            name: f"it takes {seconds[name]:.0f} s, too long for {within_s:.0f} s" for name in late
        }
        self.left_out |= dict.fromkeys(cold, NOT_LOADED)
        self.state = replace(state, available=state.available - self.left_out.keys())

    def why_not(self, name: str) -> str:
        return self.left_out.get(name, "not available")


def _tokens_each(options: ConsensusOptions, config: ConsensusConfig, models: int) -> int:
    """The share of each of so many models in the tokens of one question."""
    return max(1, min(options.max_tokens or config.max_tokens, config.max_tokens) // max(1, models))


def _seats(
    catalog: Catalog,
    state: PoolState,
    options: ConsensusOptions,
    config: ConsensusConfig,
    final_model: str | None,
    slots: int,
) -> "_Seats":
    """The free seats: as many as the budget of models and the slots allow."""
    free_slots = max(0, slots - sum(1 for name in state.loaded if catalog.models[name].local))
    for_final = 1 if final_model and _needs_load(catalog, state, final_model) else 0
    return _Seats(
        most=min(options.max_members or config.max_members, config.max_members),
        free_slots=free_slots,
        loads=free_slots + 1 - for_final,
    )


@dataclass
class _Seats:
    """Which candidates become members: asked `together` or `in_turn`, or `left_out` for a reason.

    At most `most` are seated, and at most `loads` of them may have to be loaded first, of which those beyond
    `free_slots` are asked in turn.
    """

    most: int
    free_slots: int
    loads: int
    together: list[str] = field(default_factory=list[str])
    in_turn: list[str] = field(default_factory=list[str])
    left_out: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @property
    def members(self) -> list[str]:
        return [*self.together, *self.in_turn]

    @property
    def waves(self) -> tuple[tuple[str, ...], ...]:
        return tuple(wave for wave in (tuple(self.together), *((name,) for name in self.in_turn)) if wave)

    def fill(self, catalog: Catalog, reach: _Reach, candidates: list[str]) -> None:
        """Seat the candidates within reach, loaded ones first. When none of them could ever be, a chat model
        that is."""
        state = reach.state
        self.left_out = [(name, reach.why_not(name)) for name in candidates if name not in state.available]
        able = [name for name in candidates if name in state.available]
        for name in sorted(able, key=lambda name: _needs_load(catalog, state, name)):
            self._seat(name, needs_load=_needs_load(catalog, state, name))
        if reach.whole.available.isdisjoint(candidates):
            chats = [name for name in sorted(state.available) if catalog.models[name].kind == "chat"]
            self.together = chats[:1]

    def _seat(self, name: str, *, needs_load: bool) -> None:
        if len(self.members) >= self.most:
            self.left_out.append((name, f"at most {self.most} members are asked"))
        elif not needs_load:
            self.together.append(name)
        elif self.loads <= 0:
            self.left_out.append((name, "not loaded, and one swap a question is the most"))
        else:
            (self.together if self.free_slots > 0 else self.in_turn).append(name)
            self.loads -= 1
            self.free_slots -= 1


def _warnings(catalog: Catalog, strategy: Strategy, members: list[str]) -> tuple[str, ...]:
    levels = {catalog.models[name].level for name in members}
    return (UNEQUAL_MEMBERS,) if strategy == "vote" and len(levels) > 1 else ()
