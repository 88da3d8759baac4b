"""Counters of how consensus was used, for `/stats`."""

from dataclasses import asdict, dataclass, field

from servers.pool.consensus.events import Done
from servers.pool.consensus.plan import Plan
from tools.schema import JsonObject


@dataclass(slots=True)
class ConsensusStats:
    """Sums since the pool started; `closed` are answers for which the expert, judge or writer was asked."""

    requests: int = 0
    failed: int = 0
    agreed: int = 0
    closed: int = 0
    degraded: int = 0
    tokens: int = 0
    strategies: dict[str, int] = field(default_factory=dict[str, int])
    wins: dict[str, int] = field(default_factory=dict[str, int])

    def record(self, plan: Plan, done: Done) -> None:
        """Count one answer."""
        self.requests += 1
        self.agreed += done.agreed
        self.closed += any(result.role != "member" for result in done.results)
        self.degraded += bool(done.degraded)
        self.tokens += done.prompt_tokens + done.completion_tokens
        self.strategies[plan.strategy] = self.strategies.get(plan.strategy, 0) + 1
        self.wins[done.answered_by] = self.wins.get(done.answered_by, 0) + 1

    def to_json(self) -> JsonObject:
        """As `/stats` shows it; `closer_share` is the share of answers that cost an expert's call."""
        share = round(self.closed / self.requests, 3) if self.requests else 0.0
        return {**asdict(self), "closer_share": share}
