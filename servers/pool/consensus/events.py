"""What a consensus reports while it runs: members that have finished, tokens, the end. Data only."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from tools.schema import JsonObject

Status = Literal["answered", "failed", "late", "spared"]
"""`late`: not whole by the deadline; `spared`: not needed, because the others had agreed."""
Role = Literal["member", "expert", "judge", "writer"]


@dataclass(slots=True)
class MemberResult:
    """What one model did for the answer. Times in milliseconds; `reason` says why it did not answer."""

    model: str
    role: Role = "member"
    status: Status = "late"
    text: str = ""
    reason: str | None = None
    latency_ms: float = 0.0
    first_token_ms: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reason: str = "stop"

    def fail(self, reason: str) -> None:
        """Mark it as failed, and say why."""
        self.status, self.reason = "failed", reason

    def to_json(self) -> JsonObject:
        """As the wire shows it: everything but the text."""
        return {
            "model": self.model, "role": self.role, "status": self.status, "reason": self.reason,
            "latency_ms": round(self.latency_ms, 1), "first_token_ms": self.first_token_ms,
            "prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens,
        }  # fmt: skip


class MemberFinished(NamedTuple):
    """A member, the judge, the writer or the expert has finished, well or not."""

    result: MemberResult


class Token(NamedTuple):
    """A piece of the final answer, as it is produced by `model`."""

    text: str
    model: str


@dataclass(slots=True)
class Done:
    """The end: who answered, how far the members agreed, what went wrong.

    `agreement` in [0, 1] is the mean similarity of the members' answers; `agreed`: two said the same.
    `dissent` are the models whose answer differs from the final one, when that is a member's.
    """

    answered_by: str
    agreement: float
    agreed: bool
    finish_reason: str
    results: list[MemberResult]
    dissent: list[str] = field(default_factory=list[str])

    @property
    def degraded(self) -> list[str]:
        """The models that were asked and did not answer in time."""
        return [result.model for result in self.results if result.status in ("failed", "late")]

    @property
    def prompt_tokens(self) -> int:
        """Of all models together."""
        return sum(result.prompt_tokens for result in self.results)

    @property
    def completion_tokens(self) -> int:
        """Of all models together."""
        return sum(result.completion_tokens for result in self.results)


Event: TypeAlias = MemberFinished | Token | Done
