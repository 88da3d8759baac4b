"""What an assistant is made of: the choices of each of its runs, which a run may make anew."""

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agents.context import RunConfig
from tools.schema import CollectionName, JsonObject, Language

ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_*-]{1,64}$")]


class Definition(BaseModel):
    """An agent's choices, LangGraph's `context`: all optional, any other field is refused.

    `instructions` go to the model beside the agent's own prompt; `collections` are searched together; `model`
    may be `auto`; `tools` are granted to the run, within what the settings grant; `voice` reads the answers
    aloud where `speak` says so; `user` parts the caller's own facts.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    instructions: Annotated[str, Field(max_length=20_000)] | None = None
    collection: CollectionName | None = None
    collections: Annotated[list[CollectionName], Field(min_length=1, max_length=8)] | None = None
    model: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    tools: Annotated[list[ToolName], Field(max_length=64)] | None = None
    language: Language | None = None
    speak: bool | None = None
    voice: Annotated[str, Field(max_length=128)] | None = None
    user: Annotated[str, Field(pattern=r"^[\w@.+-]{1,128}$")] | None = None

    @field_validator("tools", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        """Configurations may hold texts alone: `"search_knowledge, query_sql"` is a list too."""
        return [name for name in re.split(r"[\s,]+", value) if name] if isinstance(value, str) else value

    def over(self, other: "Definition") -> "Definition":
        """`other` with what this one chooses; a collection chosen here is searched alone."""
        mine = self.chosen()
        theirs = other.chosen()
        if {"collection", "collections"} & mine.keys():
            theirs = {name: value for name, value in theirs.items() if not name.startswith("collection")}
        return Definition(**{**theirs, **mine})

    def chosen(self) -> JsonObject:
        """The fields that are set, as JSON."""
        return self.model_dump(mode="json", exclude_none=True)

    def wishes(self, options: JsonObject | None = None) -> RunConfig:
        """The choices of one run; `options` go to the model as they are."""
        several = tuple(self.collections or ())
        return RunConfig(
            collection=self.collection,
            collections=several,
            model=self.model,
            language=self.language,
            speak=bool(self.speak),
            voice=self.voice,
            tools=None if self.tools is None else tuple(self.tools),
            user=self.user,
            options=options or {},
        )


def stored_wishes(wishes: RunConfig) -> dict[str, Any]:
    """The choices that were made, as a run's row keeps them."""
    return {name: value for name, value in vars(wishes).items() if value not in (None, False, {}, ())}
