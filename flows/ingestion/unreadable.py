"""Why something is not ingested, as a sentence that can be said in the person's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.operations.messages import say

if TYPE_CHECKING:
    from tools.schema import Language


class Unreadable(Exception):
    """A document that is not ingested; `key` and `fields` choose the sentence that says why."""

    def __init__(self, key: str, **fields: object) -> None:
        super().__init__(key)
        self.key = key
        self.fields = fields

    def say(self, language: Language) -> str:
        """The reason in a person's language."""
        return say(self.key, language, **self.fields)
