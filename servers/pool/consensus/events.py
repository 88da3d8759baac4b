"""What a consensus tells while it runs: members that are through, tokens, the end. Data only."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Status = Literal["answered", "failed", "late", "spared"]


@dataclass(slots=True)
class Member:
    """What one model did for the answer. Times in milliseconds."""

    model: str
    role: Literal["member", "expert", "judge", "writer"] = "member"
    status: Status = "late"
    text: str = ""
    reason: str | None = None
    latency_ms: float = 0.0
    first_token_ms: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish: str = "stop"

    def row(self) -> dict[str, Any]:
        """As it is shown on the wire."""
        return {
            "model": self.model, "role": self.role, "status": self.status, "reason": self.reason,
            "latency_ms": round(self.latency_ms, 1), "first_token_ms": self.first_token_ms,
            "prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens,
        }  # fmt: skip


class Answered(NamedTuple):
    """A member is through, well or not."""

    member: Member


class Token(NamedTuple):
    """A piece of the final answer, as it is produced."""

    text: str
    model: str


@dataclass(slots=True)
class Done:
    """The end: who answered, how far the members agreed, what went wrong."""

    by: str
    agreement: float
    agreed: bool
    finish: str
    members: list[Member]
    dissent: list[str] = field(default_factory=list)

    @property
    def degraded(self) -> list[str]:
        return [member.model for member in self.members if member.status in ("failed", "late")]


Event = Answered | Token | Done
