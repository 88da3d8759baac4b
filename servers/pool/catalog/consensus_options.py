"""The settings of consensus: the catalogue's `[consensus]` table and the `consensus` field of one request.

Data and checks only. A request may choose within the catalogue's budget, never beyond it.
"""

from typing import Literal

from pydantic import Field

from servers.pool.catalog.options import Strict, validate_options

Strategy = Literal["cascade", "vote", "best_of", "synthesize"]
Template = Literal["general", "coding", "analysis", "creative", "technical"]


class ConsensusConfig(Strict):
    """The table `[consensus]`: how the model `consensus` works here.

    `members` are asked first, `expert` closes: it is cascade's last instance, best_of's judge and
    synthesize's writer. Empty, both are chosen by level and cost. `reserve` is asked by a cascade when one of
    the `members` that the table names says nothing. `deadline_s` bounds the whole answer,
    `max_tokens` what all models together may write, `agree` the similarity (0 to 1) that counts as agreement.
    Only models that are loaded are asked, unless `load` lets an answer wait for others to be loaded.
    """

    strategy: Strategy = "cascade"
    members: tuple[str, ...] = ()
    expert: str | None = None
    reserve: str | None = None
    max_members: int = Field(default=4, ge=1, le=8)
    max_tokens: int = Field(default=8_192, ge=16)
    deadline_s: float = Field(default=90.0, gt=0, le=900)
    agree: float = Field(default=0.6, gt=0, le=1)
    load: bool = False

    @property
    def model_ids(self) -> list[str]:
        """Every model that the table names."""
        return [*self.members, *(name for name in (self.expert, self.reserve) if name)]


class ConsensusOptions(Strict):
    """What one caller asks for; the field `consensus` of a request. None leaves it to the table."""

    strategy: Strategy | None = None
    members: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=8)
    expert: str | None = None
    template: Template | None = None
    max_members: int | None = Field(default=None, ge=1, le=8)
    max_tokens: int | None = Field(default=None, ge=16)
    deadline_s: float | None = Field(default=None, gt=0, le=900)
    load: bool | None = None


def read_consensus_options(field: object) -> ConsensusOptions:
    """The options in a request's `consensus` field; anything empty means none. Raises BadRequest."""
    return validate_options(ConsensusOptions, field or {}, field="consensus")
