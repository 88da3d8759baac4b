"""Counters: what was served, in requests, tokens and seconds. Plain numbers on the hot path.

Whose tokens they were, `usage` is told.
"""

from dataclasses import dataclass, field

from servers.web.middleware import BOUNDS_S
from servers.web.usage import Usage
from tools.access.identity import current


@dataclass(slots=True)
class ModelCounts:
    """One model's sums. `speed` is tokens a second, recent answers weighing more."""

    requests: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: int = 0
    """Answers whose tokens were estimated for their callers: their engine did not count them."""
    speed: float = 0.0
    last_used_at: float | None = None

    def answered(self, *, prompt: int, completion: int, seconds: float, at: float) -> None:
        """Count one answer: tokens read and written, seconds of writing, the monotonic time of its end."""
        self.requests += 1
        self.last_used_at = at
        self.prompt_tokens += prompt
        self.completion_tokens += completion
        if completion > 1 and seconds > 0:
            rate = completion / seconds
            self.speed = rate if self.speed == 0 else 0.8 * self.speed + 0.2 * rate


@dataclass(slots=True)
class Counters:
    """All models, all paths. `seconds` counts answers by BOUNDS_S, the last place for those beyond."""

    models: dict[str, ModelCounts] = field(default_factory=dict[str, ModelCounts])
    statuses: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    """Answers by route and HTTP status."""
    seconds: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    seconds_sum: float = 0.0
    retries: int = 0
    fallbacks: int = 0
    usage: Usage | None = None

    def of(self, model: str) -> ModelCounts:
        """The counts of one model."""
        counts = self.models.get(model)
        if counts is None:
            counts = self.models[model] = ModelCounts()
        return counts

    def answered(self, model: str, *, prompt: int, completion: int, seconds: float, at: float) -> None:
        """Count one answer (see `ModelCounts.answered`), also for whom it was made."""
        self.of(model).answered(prompt=prompt, completion=completion, seconds=seconds, at=at)
        self.used(model, prompt=prompt, completion=completion)

    def used(self, model: str, *, prompt: int, completion: int) -> None:
        """Count tokens for whom the present task acts, and nowhere else."""
        if self.usage is not None:
            self.usage.count(current(), model=model, tokens_in=prompt, tokens_out=completion)

    def finished(self, route: str, status: int, seconds: float) -> None:
        """Count one HTTP answer."""
        key = (route, status)
        self.statuses[key] = self.statuses.get(key, 0) + 1
        self.seconds_sum += seconds
        place = 0
        while place < len(BOUNDS_S) and seconds > BOUNDS_S[place]:
            place += 1
        self.seconds[place] += 1
