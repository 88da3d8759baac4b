"""What people may rule about consensus: the `[consensus]` table of the catalogue and one request's options.

Data and checks only. A request may choose within the catalogue's budget, never beyond it.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tools.errors import BadRequest

Strategy = Literal["cascade", "vote", "best_of", "synthesize"]
Template = Literal["general", "coding", "analysis", "creative", "technical"]


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Consensus(Strict):
    """How `model: "consensus"` works here.

    `members` are asked first, `expert` closes: it is cascade's last instance, best_of's judge and
    synthesize's writer. Empty, both are chosen by cost and level. `deadline_s` bounds the whole answer,
    `max_tokens` what all models together may write, `agree` the likeness (0 to 1) that counts as agreement.
    """

    strategy: Strategy = "cascade"
    members: tuple[str, ...] = ()
    expert: str | None = None
    max_members: int = Field(default=4, ge=1, le=8)
    max_tokens: int = Field(default=8_192, ge=16)
    deadline_s: float = Field(default=90.0, gt=0, le=900)
    agree: float = Field(default=0.6, gt=0, le=1)

    @property
    def named(self) -> list[str]:
        """Every model that the table names."""
        return [*self.members, *([self.expert] if self.expert else [])]


class Options(Strict):
    """The field `consensus` of a request."""

    strategy: Strategy | None = None
    members: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=8)
    expert: str | None = None
    template: Template | None = None
    max_members: int | None = Field(default=None, ge=1, le=8)
    max_tokens: int | None = Field(default=None, ge=16)
    deadline_s: float | None = Field(default=None, gt=0, le=900)


def read_options(field: Any) -> Options:
    """The options of a request; None means none. Raises BadRequest."""
    try:
        return Options.model_validate(field or {})
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(["consensus", *(str(part) for part in first["loc"])])
        raise BadRequest(
            f"{where}: {first['msg']}", param=where, source="pool", code="invalid_value"
        ) from exc
