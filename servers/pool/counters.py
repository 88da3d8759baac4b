"""What was served, counted: requests, tokens, seconds. Plain numbers on the hot path, read at leisure."""

from dataclasses import dataclass, field

BOUNDS_S = (0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


@dataclass(slots=True)
class Count:
    """One model's sums. `speed` is tokens a second, recent answers weighing more."""

    requests: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    waited_s: float = 0.0
    speed: float = 0.0
    used: float | None = None

    def answered(self, *, prompt: int, completion: int, seconds: float, at: float) -> None:
        self.requests += 1
        self.used = at
        self.prompt_tokens += prompt
        self.completion_tokens += completion
        if completion > 1 and seconds > 0:
            rate = completion / seconds
            self.speed = rate if self.speed == 0 else 0.8 * self.speed + 0.2 * rate


@dataclass(slots=True)
class Counters:
    """All models, all paths. `seconds` counts answers by BOUNDS_S, the last place for those beyond."""

    counts: dict[str, Count] = field(default_factory=dict)
    statuses: dict[tuple[str, int], int] = field(default_factory=dict)
    seconds: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    seconds_sum: float = 0.0
    repeats: int = 0
    fallbacks: int = 0

    def of(self, model: str) -> Count:
        count = self.counts.get(model)
        if count is None:
            count = self.counts[model] = Count()
        return count

    def finished(self, path: str, status: int, seconds: float) -> None:
        key = (path, status)
        self.statuses[key] = self.statuses.get(key, 0) + 1
        self.seconds_sum += seconds
        place = 0
        while place < len(BOUNDS_S) and seconds > BOUNDS_S[place]:
            place += 1
        self.seconds[place] += 1
