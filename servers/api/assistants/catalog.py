"""The catalogue of assistants: the agents there are by themselves, and those that people make of them."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, delete, func, select

from agents.context import RunConfig
from agents.conversation.ownership import thread_key
from agents.registry import AGENTS, find_agent
from servers.api.assistants.definition import Definition, stored_wishes
from servers.api.assistants.rows import AssistantRow, Content, VersionRow
from servers.api.runs.tables import new_id, now, open_session
from tools.access.identity import Principal
from tools.errors import AgentNotFound, Conflict, Forbidden, NotFound
from tools.schema import JsonObject

MOST = 1_000
"""Assistants that one person may own."""


@dataclass(frozen=True)
class Resolved:
    """Whose graph an id runs, under which choices."""

    assistant_id: str
    graph_id: str
    definition: Definition = field(default_factory=Definition)
    config: JsonObject = field(default_factory=dict)

    def wishes(self, asked: RunConfig) -> RunConfig:
        """The choices of a run: what was asked, and for the rest the assistant's."""
        own, changed = self.definition.wishes(), stored_wishes(asked)
        if "collection" in changed:
            own = replace(own, collections=())
        return replace(own, **changed)

    def instructions(self, asked: str) -> str:
        """The assistant's instructions, then those that were asked."""
        return "\n".join(part for part in (self.definition.instructions, asked) if part)


class Assistants:
    """Creates, reads, changes and deletes assistants. `by` is the caller: of others' only shared ones are
    there for them, to be used and read alone."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.ids = set[str]()
        """Those of all there are, whoever's: one process at a time serves a database."""

    async def load(self) -> None:
        """Read the ids."""
        async with open_session(self.engine) as session:
            self.ids.update((await session.exec(select(AssistantRow.assistant_id))).all())

    async def create(
        self,
        assistant_id: str | None,
        by: Principal,
        content: Content,
        *,
        if_exists: Literal["raise", "do_nothing"],
    ) -> AssistantRow:
        """A new assistant, or with `do_nothing` the one that has this id. Raises `Conflict`, `AgentNotFound`
        for its graph, and `Forbidden` beyond `MOST`."""
        find_agent(content["graph_id"])
        name = assistant_id or new_id()
        if name in AGENTS:
            raise Conflict(f"{name} is an agent's own name", param="assistant_id", source="api")
        row = AssistantRow(
            key=thread_key(by, name),
            assistant_id=name,
            tenant=by.tenant,
            owner=by.user,
            shared=_is_shared(content),
            content=content,
        )
        async with open_session(self.engine) as session:
            mine = select(func.count()).where(AssistantRow.owner == by.user, AssistantRow.tenant == by.tenant)
            if (await session.exec(mine)).one() >= MOST:
                raise Forbidden(
                    f"a person may own {MOST} assistants", source="api", code="too_many_assistants"
                )
            session.add_all([row, VersionRow(key=row.key, version=1, content=content)])
            try:
                await session.commit()
            except IntegrityError as exc:
                if if_exists == "do_nothing":
                    return await self.get(name, by)
                raise Conflict(f"assistant {name} exists", param="assistant_id", source="api") from exc
        self.ids.add(name)
        return row

    async def get(self, assistant_id: str, by: Principal) -> AssistantRow:
        """The caller's own, or one that is shared with them. Raises `NotFound`."""
        query = select(AssistantRow).where(AssistantRow.assistant_id == assistant_id, _is_readable(by))
        query = query.order_by(col(AssistantRow.owner) != by.user, col(AssistantRow.created_at))
        async with open_session(self.engine) as session:
            row = (await session.exec(query)).first()
        if row is None:
            raise NotFound(f"there is no assistant {assistant_id!r}", param="assistant_id", source="api")
        return row

    async def resolve(self, assistant_id: str, by: Principal) -> Resolved:
        """Whose graph an agent's name or an assistant's id runs. Raises `AgentNotFound`."""
        if assistant_id in AGENTS:
            return Resolved(assistant_id, assistant_id)
        try:
            row = await self.get(assistant_id, by)
        except NotFound as exc:
            known = ", ".join([*AGENTS, *(one.assistant_id for one in await self.readable(by))][:20])
            why = f"there is no agent {assistant_id!r}; there are: {known}"
            raise AgentNotFound(why, param="agent_id") from exc
        content = row.content
        return Resolved(
            assistant_id, content["graph_id"], Definition(**content["context"]), content["config"]
        )

    async def find(self, name: str, by: Principal) -> Resolved | None:
        """Whose graph a name runs; None for one that is no agent's, nor an assistant's of the caller's."""
        if name not in AGENTS and name not in self.ids:
            return None
        try:
            return await self.resolve(name, by)
        except AgentNotFound:
            return None

    async def readable(self, by: Principal) -> list[AssistantRow]:
        """Every assistant that is there for the caller, newest first."""
        query = select(AssistantRow).where(_is_readable(by)).order_by(col(AssistantRow.created_at).desc())
        async with open_session(self.engine) as session:
            return list((await session.exec(query)).all())

    async def update(self, assistant_id: str, by: Principal, changes: dict[str, Any]) -> AssistantRow:
        """A new version with `changes` (fields of `Content`; metadata is merged), in force at once. Raises
        `NotFound` and `Forbidden`."""
        row = await self._own(assistant_id, by)
        metadata = {**row.content["metadata"], **changes.get("metadata", {})}
        content: Content = {**row.content, **changes, "metadata": metadata}  # type: ignore[typeddict-item]
        find_agent(content["graph_id"])
        version = (await self.versions(assistant_id, by))[0].version + 1
        written = VersionRow(key=row.key, version=version, content=content)
        return await self._put(row, written, new=True)

    async def versions(self, assistant_id: str, by: Principal) -> list[VersionRow]:
        """Every version, newest first. Raises `NotFound`."""
        row = await self.get(assistant_id, by)
        query = select(VersionRow).where(VersionRow.key == row.key)
        async with open_session(self.engine) as session:
            return list((await session.exec(query.order_by(col(VersionRow.version).desc()))).all())

    async def set_latest(self, assistant_id: str, by: Principal, version: int) -> AssistantRow:
        """Put an earlier version in force. Raises `NotFound` and `Forbidden`."""
        row = await self._own(assistant_id, by)
        found = [one for one in await self.versions(assistant_id, by) if one.version == version]
        if not found:
            raise NotFound(f"there is no version {version}", param="version", source="api")
        return await self._put(row, found[0], new=False)

    async def delete(self, assistant_id: str, by: Principal) -> None:
        """Delete it with its versions; threads stay. Raises `NotFound` and `Forbidden`."""
        row = await self._own(assistant_id, by)
        async with open_session(self.engine) as session:
            await session.exec(delete(VersionRow).where(col(VersionRow.key) == row.key))
            await session.exec(delete(AssistantRow).where(col(AssistantRow.key) == row.key))
            await session.commit()

    async def _own(self, assistant_id: str, by: Principal) -> AssistantRow:
        if assistant_id in AGENTS:
            raise Forbidden("the platform's own agents are not changed", param="assistant_id", source="api")
        row = await self.get(assistant_id, by)
        if row.owner != by.user and not by.platform:
            raise Forbidden("it is another person's assistant", param="assistant_id", source="api")
        return row

    async def _put(self, row: AssistantRow, version: VersionRow, *, new: bool) -> AssistantRow:
        row.version, row.content, row.updated_at = version.version, version.content, now()
        row.shared = _is_shared(version.content)
        async with open_session(self.engine) as session:
            if new:
                session.add(version)
            try:
                row = await session.merge(row)
                await session.commit()
            except IntegrityError as exc:
                raise Conflict("somebody else changed it just now", source="api") from exc
        return row


def _is_shared(content: Content) -> bool:
    return content["metadata"].get("sharing") == "everybody"


def _is_readable(by: Principal) -> Any:
    """Their own, the shared ones of their tenant; the platform all of its tenant."""
    tenant = col(AssistantRow.tenant) == by.tenant
    if by.platform:
        return tenant
    return tenant & ((col(AssistantRow.owner) == by.user) | col(AssistantRow.shared))
