"""The tables `assistants` and `assistant_versions`, beside those of threads and runs.

An assistant's key begins with its owner, so two people may choose the same id.
"""

from datetime import datetime

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel
from typing_extensions import TypedDict

from servers.api.runs.tables import Moment, now
from tools.access.identity import LOCAL
from tools.schema import JsonObject


class Content(TypedDict):
    """What a version of an assistant says; `context` are fields of `Definition`."""

    graph_id: str
    name: str
    description: str | None
    context: JsonObject
    config: JsonObject
    metadata: JsonObject


class AssistantRow(SQLModel, table=True):
    """An assistant with the content of the version in force; `shared` ones are there for the whole tenant."""

    __tablename__ = "assistants"  # type: ignore[assignment]  # SQLModel types it as a declared attribute

    key: str = Field(primary_key=True)
    assistant_id: str = Field(index=True)
    tenant: str = LOCAL.tenant
    owner: str = LOCAL.user
    shared: bool = False
    version: int = 1
    content: Content = Field(sa_column=Column("content", JSON))
    created_at: datetime = Field(default_factory=now, sa_type=Moment)
    updated_at: datetime = Field(default_factory=now, sa_type=Moment)


class VersionRow(SQLModel, table=True):
    """One version of an assistant, which nobody changes."""

    __tablename__ = "assistant_versions"  # type: ignore[assignment]  # as above

    key: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    content: Content = Field(sa_column=Column("content", JSON))
    created_at: datetime = Field(default_factory=now, sa_type=Moment)
