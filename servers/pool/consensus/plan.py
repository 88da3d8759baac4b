"""Who is asked, in which order, with how much: planned around what is loaded. Pure.

Models that run elsewhere or are loaded cost no slot. Of the others only those are asked that find a free
slot, and one more: never more than one model is pushed out for one question.
"""

from dataclasses import dataclass

from servers.pool.catalog.catalog import Catalog, ModelSpec
from servers.pool.catalog.consensus_options import Consensus, Options, Strategy, Template
from servers.pool.routing.choose import State
from servers.pool.routing.classifier import KINDS

TEMPLATE_OF: dict[str, Template] = {
    "general": "general",
    "technical": "technical",
    "coding": "coding",
    "expert": "analysis",
}
CLOSING_SHARE = 0.45
"""The part of the deadline that is kept for the model that closes."""
UNEQUAL = "members of unequal strength: their plurality was measured worse than the best of them alone"


@dataclass(frozen=True)
class Panel:
    """`waves` are asked one after the other, the models within one at the same time.

    `closer` is the expert, judge or writer; None when nobody is needed. Sizes in tokens, times in seconds.
    """

    strategy: Strategy
    template: Template
    waves: tuple[tuple[str, ...], ...]
    closer: str | None
    tokens_each: int
    deadline_s: float
    members_s: float
    agree: float
    warnings: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(name for wave in self.waves for name in wave)


def plan(catalog: Catalog, state: State, options: Options, *, kind: str, slots: int) -> Panel:
    """The panel for one question of `kind`. Raises ModelNotFound for names that the catalogue lacks."""
    table = catalog.consensus or Consensus()
    strategy = options.strategy or table.strategy
    closer = _closer(catalog, state, options, table)
    loaded = sum(1 for name in state.loaded if catalog.models[name].local)
    open_slots = max(0, slots - loaded)
    spare = open_slots + 1 - (1 if closer and _cold(catalog, state, closer) else 0)
    asked = _asked(catalog, options, table, closer, strategy)
    most = min(options.max_members or table.max_members, table.max_members)
    now, later, left_out = _seat(catalog, state, asked, most=most, open_slots=open_slots, spare=spare)
    waves = tuple(wave for wave in (tuple(now), *((name,) for name in later)) if wave)
    count = max(1, len(now) + len(later) + (closer is not None))
    tokens = min(options.max_tokens or table.max_tokens, table.max_tokens)
    deadline = min(options.deadline_s or table.deadline_s, table.deadline_s)
    closes = closer is not None and strategy != "vote"
    return Panel(
        strategy=strategy,
        template=options.template or TEMPLATE_OF.get(kind, "general"),
        waves=waves,
        closer=closer if closes else None,
        tokens_each=max(1, tokens // count),
        deadline_s=deadline,
        members_s=deadline * (1 - CLOSING_SHARE) if closes else deadline * 0.95,
        agree=table.agree,
        warnings=_warnings(catalog, strategy, [*now, *later]),
        left_out=tuple(left_out),
    )


def strength(spec: ModelSpec) -> tuple[int, float]:
    """Orders models by how strong they are said to be."""
    return spec.level, spec.cost


def _asked(
    catalog: Catalog, options: Options, table: Consensus, closer: str | None, strategy: Strategy
) -> list[str]:
    named = options.members or table.members
    chosen = [catalog.spec(name).id for name in dict.fromkeys(named)]
    if not chosen:
        able = [spec for spec in catalog.models.values() if spec.kind == "chat" and spec.domain in KINDS]
        chosen = [spec.id for spec in sorted(able, key=strength)]
    if strategy == "vote":
        return chosen
    others = [name for name in chosen if name != closer]
    return others or chosen


def _closer(catalog: Catalog, state: State, options: Options, table: Consensus) -> str | None:
    """The named expert while it can serve, else the strongest that can."""
    named = options.expert or table.expert
    if named is not None and catalog.spec(named).id in state.available:
        return named
    able = [catalog.models[name] for name in state.available if catalog.models[name].kind == "chat"]
    strong = [spec for spec in able if spec.domain in KINDS]
    return max(strong, key=lambda spec: (strength(spec), spec.id)).id if strong else None


def _cold(catalog: Catalog, state: State, name: str) -> bool:
    return catalog.models[name].local and name not in state.loaded


def _seat(
    catalog: Catalog, state: State, asked: list[str], *, most: int, open_slots: int, spare: int
) -> tuple[list[str], list[str], list[tuple[str, str]]]:
    """Who is asked at once, who in turn, and who is left out and why."""
    now: list[str] = []
    later: list[str] = []
    left_out = [(name, "not available") for name in asked if name not in state.available]
    able = [name for name in asked if name in state.available]
    for name in sorted(able, key=lambda name: _cold(catalog, state, name)):
        if len(now) + len(later) >= most:
            left_out.append((name, f"at most {most} members are asked"))
        elif not _cold(catalog, state, name):
            now.append(name)
        elif spare <= 0:
            left_out.append((name, "not loaded, and one swap a question is the most"))
        else:
            spare -= 1
            (now if open_slots > 0 else later).append(name)
            open_slots -= 1
    if not now and not later and able == [] and state.available:
        now = [name for name in sorted(state.available) if catalog.models[name].kind == "chat"][:1]
    return now, later, left_out


def _warnings(catalog: Catalog, strategy: Strategy, members: list[str]) -> tuple[str, ...]:
    levels = {catalog.models[name].level for name in members}
    return (UNEQUAL,) if strategy == "vote" and len(levels) > 1 else ()
