"""How consensus was used, counted for `/stats`."""

from dataclasses import asdict, dataclass, field
from typing import Any

from servers.pool.consensus.events import Done
from servers.pool.consensus.plan import Panel


@dataclass(slots=True)
class Tally:
    """Sums since the pool started; `closed` are answers for which the expert, judge or writer was asked."""

    requests: int = 0
    failed: int = 0
    agreed: int = 0
    closed: int = 0
    degraded: int = 0
    tokens: int = 0
    strategies: dict[str, int] = field(default_factory=dict)
    wins: dict[str, int] = field(default_factory=dict)

    def count(self, panel: Panel, done: Done) -> None:
        self.requests += 1
        self.agreed += done.agreed
        self.closed += any(member.role != "member" for member in done.members)
        self.degraded += bool(done.degraded)
        self.tokens += sum(member.prompt_tokens + member.completion_tokens for member in done.members)
        self.strategies[panel.strategy] = self.strategies.get(panel.strategy, 0) + 1
        self.wins[done.by] = self.wins.get(done.by, 0) + 1

    def shown(self) -> dict[str, Any]:
        """As `/stats` shows it; `closer_share` is the share of answers that cost an expert's call."""
        share = round(self.closed / self.requests, 3) if self.requests else 0.0
        return {**asdict(self), "closer_share": share}
