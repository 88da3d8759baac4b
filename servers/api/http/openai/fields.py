"""What of an OpenAI request has an effect here. No field is dropped in silence: one that can not be heeded is
refused by its name, and one that changes no answer is named in the header `x-capibara6-ignored`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

from fastapi import Response
from pydantic import BaseModel, ConfigDict, model_validator

from servers.web.door import IGNORED
from tools.errors import BadRequest

MOST_NAMED = 32
_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")


class Refusal(NamedTuple):
    """Why a field is refused, and with which values it asks for nothing."""

    why: str
    neutral: tuple[Any, ...] = ()


class OpenAIObject(BaseModel):
    """An object of a request; fields that it does not declare are kept, to be named."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    without_effect: ClassVar[frozenset[str]] = frozenset()
    """Fields that are taken and change nothing here."""
    refused: ClassVar[Mapping[str, Refusal]] = {}

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, given: Any) -> Any:
        if isinstance(given, dict):
            for name, refusal in cls.refused.items():
                value = given.get(name)
                if value is not None and value not in refusal.neutral:
                    raise BadRequest(
                        f"{name}: {refusal.why}", param=name, source="api", code="unsupported_parameter"
                    )
        return given

    @property
    def ignored(self) -> list[str]:
        """The fields that were given and have no effect, also those of objects within, by their paths."""
        extra = [
            name
            for name, value in (self.model_extra or {}).items()
            if value is not None and name not in self.refused
        ]
        found = [*extra, *(name for name in self.without_effect if getattr(self, name, None) is not None)]
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, OpenAIObject):
                found += [f"{name}.{inner}" for inner in value.ignored]
            elif isinstance(value, list):
                inner = (one for item in value if isinstance(item, OpenAIObject) for one in item.ignored)
                found += [f"{name}[].{one}" for one in inner]
        return list(dict.fromkeys(found))


def tell_ignored(response: Response, ignored: Iterable[str]) -> Response:
    """`response`, with the header that names what was not heeded."""
    names = [name if _NAME.fullmatch(name) else "?" for name in ignored][:MOST_NAMED]
    if names:
        response.headers[IGNORED] = ", ".join(dict.fromkeys(names))
    return response
