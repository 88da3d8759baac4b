"""What people may rule about routing: the `[auto]` table of the catalogue and the wishes of one caller.

Data and checks only; `route.py` applies them.
"""

import hashlib
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from servers.web.api_key import bearer_token
from tools.errors import BadRequest

MATCHED_CHARS = 4_000


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rule(Strict):
    """One rule; every condition that it names must hold, and the first rule that pins a model wins.

    `match` is a regular expression over the question, `domain` what the question deserves, `key` the SHA-256
    of an API key in hex (never the key itself). It pins a `model`, bounds `max_cost`, or both.
    """

    match: str | None = Field(default=None, min_length=1, max_length=1_000)
    domain: str | None = None
    key: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    model: str | None = None
    max_cost: float | None = Field(default=None, ge=0)

    @field_validator("match")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as exc:
                raise ValueError(f"not a regular expression: {exc}") from exc
        return value

    @model_validator(mode="after")
    def _says_something(self) -> "Rule":
        if self.match is None and self.domain is None and self.key is None:
            raise ValueError("a rule needs match, domain or key")
        if self.model is None and self.max_cost is None:
            raise ValueError("a rule needs model or max_cost")
        return self

    def holds(self, question: str, domain: str, key: str | None) -> bool:
        """True when each condition of the rule is met."""
        if self.match is not None and not re.search(self.match, question[:MATCHED_CHARS], re.IGNORECASE):
            return False
        if self.domain is not None and self.domain != domain:
            return False
        return self.key is None or self.key == key


class Auto(Strict):
    """How `auto` decides.

    `default`: where a catalogue without the four domains goes; `last`: when nothing wanted can be served.
    `patience_s`: how many seconds of loading a perfect gain in quality is worth. `sticky`: how much better
    another model must be to take over a running conversation.
    """

    default: str
    last: str
    patience_s: float = Field(default=120.0, gt=0)
    sticky: float = Field(default=0.08, ge=0, le=1)
    rules: tuple[Rule, ...] = ()

    @property
    def named(self) -> list[str]:
        """Every model that the table names."""
        return [self.default, self.last, *(rule.model for rule in self.rules if rule.model)]


class Wish(Strict):
    """What one caller asks of the decision; the field `route` of a request.

    `model` overrules everything, `exclude` is never chosen, `max_cost` bounds the models' cost, `previous` is
    the model that answered last in this conversation. `key` is set by the door: a hash of the caller's key.
    """

    model: str | None = Field(default=None, max_length=128)
    exclude: frozenset[str] = frozenset()
    max_cost: float | None = Field(default=None, ge=0)
    previous: str | None = Field(default=None, max_length=128)
    key: str | None = None


def read_wish(field: Any, *, secret: bytes | None = None) -> Wish:
    """The wish in a request's `route` field and in the key that it came with. Raises BadRequest."""
    key = hashlib.sha256(secret).hexdigest() if secret else None
    if field is None:
        return Wish(key=key)
    try:
        return Wish.model_validate(field).model_copy(update={"key": key})
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(["route", *(str(part) for part in first["loc"])])
        raise BadRequest(
            f"{where}: {first['msg']}", param=where, source="pool", code="invalid_value"
        ) from exc


def secret_of(headers: dict[bytes, bytes]) -> bytes | None:
    """The caller's API key; None without one."""
    return bearer_token(headers.get(b"authorization", b"")) or headers.get(b"x-api-key") or None
