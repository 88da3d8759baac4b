"""Counters: what was served, in requests, tokens and seconds. Plain numbers on the hot path.

Whose tokens they were, `usage` is told.
"""

from dataclasses import dataclass, field

from servers.web.middleware import BOUNDS_S
from servers.web.usage import Usage
from tools.access.identity import current

MEASURED_S = 600.0
"""What was measured longer ago says nothing about the next answer."""


@dataclass(slots=True)
class ModelCounts:
    """One model's sums, and means in which recent answers weigh more.

    `speed` is tokens a second as a client sees them: from its request to the last byte of the answer, only a
    load that it waited for is left out. `answer_s` are the seconds of a whole answer, `first_s` those until
    the first byte of a streamed one.
    """

    requests: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: int = 0
    """Answers whose tokens were estimated for their callers: their engine did not count them."""
    speed: float = 0.0
    answer_s: float = 0.0
    first_s: float = 0.0
    last_used_at: float | None = None

    def answered(self, *, prompt: int, completion: int, seconds: float, at: float) -> None:
        """Count one answer: tokens read and written, seconds that it took, the monotonic time of its end."""
        self.requests += 1
        self.last_used_at = at
        self.prompt_tokens += prompt
        self.completion_tokens += completion
        self.answer_s = _mean(self.answer_s, seconds)
        if completion > 1 and seconds > 0:
            self.speed = _mean(self.speed, completion / seconds)

    def spoke(self, seconds: float) -> None:
        """The first byte of a streamed answer came after so long."""
        self.first_s = _mean(self.first_s, seconds)

    def broken_off(self, seconds: float, at: float) -> None:
        """Somebody stopped waiting for an answer after so long: it takes longer than that."""
        self.answer_s = max(self.answer_s, seconds)
        self.last_used_at = at

    def expected_s(self, now: float) -> float:
        """Seconds that an answer is expected to take; 0 when none was measured within MEASURED_S."""
        fresh = self.last_used_at is not None and now - self.last_used_at < MEASURED_S
        return self.answer_s if fresh else 0.0


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


def _mean(mean: float, value: float) -> float:
    return value if mean == 0 else 0.8 * mean + 0.2 * value
