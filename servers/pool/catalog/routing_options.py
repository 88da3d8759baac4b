"""The settings of routing: the catalogue's `[auto]` table and the `route` field of one request.

Data and checks only; `servers/pool/routing/policy.py` applies them.
"""

import hashlib
import re
from collections.abc import Mapping

from pydantic import Field, field_validator, model_validator

from servers.pool.catalog.options import Strict, validate_options
from servers.web.api_key import bearer_token
from tools.errors import BadRequest

MATCHED_CHARS = 4_000
"""A rule's pattern sees so much of the question, which bounds what a slow pattern costs."""


class RoutingRule(Strict):
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
    def _has_condition_and_effect(self) -> "RoutingRule":
        if self.match is None and self.domain is None and self.key is None:
            raise ValueError("a rule needs match, domain or key")
        if self.model is None and self.max_cost is None:
            raise ValueError("a rule needs model or max_cost")
        return self

    def matches(self, question: str, domain: str, key: str | None) -> bool:
        """Whether each condition of the rule is met; `key` is the hash of the caller's API key."""
        if self.match is not None and not re.search(self.match, question[:MATCHED_CHARS], re.IGNORECASE):
            return False
        if self.domain is not None and self.domain != domain:
            return False
        return self.key is None or self.key == key


class RoutingConfig(Strict):
    """The table `[auto]`: how the model `auto` decides.

    `default`: where a catalogue without the four domains goes; `last`: when nothing wanted can be served.
    `patience_s`: how many seconds of loading a perfect gain in quality is worth. `sticky`: how much better
    (in expected quality, 0 to 1) another model must be to take over a running conversation. `quality`: where
    between the cheapest (0) and the best (1) a question that says nothing else is decided.
    """

    default: str
    last: str
    patience_s: float = Field(default=120.0, gt=0)
    sticky: float = Field(default=0.08, ge=0, le=1)
    quality: float = Field(default=0.5, ge=0, le=1)
    rules: tuple[RoutingRule, ...] = ()

    @property
    def model_ids(self) -> list[str]:
        """Every model that the table names."""
        return [self.default, self.last, *(rule.model for rule in self.rules if rule.model)]


class RoutingOptions(Strict):
    """What one caller asks of the decision; the field `route` of a request.

    `model` overrules everything, `exclude` is never chosen, `max_cost` bounds the models' cost, `previous` is
    the model that answered last in this conversation, `quality` (0 to 1) the wish between cheap and best.
    `key`, a hash of the caller's API key, is set by us.
    """

    model: str | None = Field(default=None, max_length=128)
    exclude: frozenset[str] = frozenset()
    max_cost: float | None = Field(default=None, ge=0)
    previous: str | None = Field(default=None, max_length=128)
    quality: float | None = Field(default=None, ge=0, le=1)
    key: str | None = None


QUALITY_HEADER = b"x-capibara6-quality"


def read_routing_options(
    field: object, *, api_key: bytes | None = None, quality: bytes | None = None
) -> RoutingOptions:
    """The options in a request's `route` field (None: none), with the caller's key and the value of the
    header for quality, which the field overrules. Raises BadRequest."""
    key = hashlib.sha256(api_key).hexdigest() if api_key else None
    options = RoutingOptions() if field is None else validate_options(RoutingOptions, field, field="route")
    if quality is not None and options.quality is None:
        options = options.model_copy(update={"quality": _share(quality)})
    return options.model_copy(update={"key": key})


def _share(value: bytes) -> float:
    """A header's number in [0, 1]. Raises BadRequest."""
    try:
        found = float(value)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        name = QUALITY_HEADER.decode()
        raise BadRequest(
            f"{name}: must be a number from 0 to 1", param=name, source="pool", code="invalid_value"
        )
    return found


def api_key_of(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The caller's API key, from `authorization: Bearer …` or `x-api-key`; None when there is none."""
    return bearer_token(headers.get(b"authorization", b"")) or headers.get(b"x-api-key") or None
