"""The knowledge graph of a collection in NebulaGraph: passages, names, and the edges between them.

`about`: a passage's title is this name. `mentions`: its text holds another document's title. `names`: it
speaks of a capitalised or quoted thing. `related`: a passage says so of two things (`extraction`). `leaving`:
a document's passages held this name and are on their way out (`departures`). It owns schema and statements;
which passages win is `expand`'s.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from servers.bridge.clients import tenants
from servers.bridge.clients.nebula.client import Nebula, quoted
from servers.bridge.graph.expansion import HUB, Neighbourhood
from servers.bridge.text.entities import entities
from servers.bridge.text.title_names import vertex
from tools.errors import BadRequest, CollectionNotFound

SCHEMA = (
    "CREATE TAG IF NOT EXISTS document(title string, source string)",
    "CREATE TAG IF NOT EXISTS chunk(document string, position int)",
    "CREATE TAG IF NOT EXISTS entity(name string, mentioned int DEFAULT 0)",
    "CREATE TAG IF NOT EXISTS thing(name string)",
    "CREATE EDGE IF NOT EXISTS about()",
    "CREATE EDGE IF NOT EXISTS mentions()",
    "CREATE EDGE IF NOT EXISTS names(weight double)",
    "CREATE EDGE IF NOT EXISTS related(relation string, chunk string, extractor string)",
    "CREATE EDGE IF NOT EXISTS part_of()",
    "CREATE EDGE IF NOT EXISTS next()",
    "CREATE EDGE IF NOT EXISTS leaving()",
)
LINK = "src(edge) AS c, dst(edge) AS e"
BATCH = 200
ROWS = 2_000
MANY = 1_000
"""Who is mentioned by so many is counted no further: a hub is a hub, and counting it again costs its size."""
WRITE_S = 30.0
SETTLE_S, RETRY_S = 30.0, 0.5
"""A cluster's servers hear of a new schema with their heartbeats, ten seconds apart by default."""
UNSETTLED = ("not found", "notfound", "not exist", "notexist", "no schema", "there is no space")


Telling = Callable[[Iterable[str]], Awaitable[set[str]]]


@dataclass(frozen=True)
class Passage:
    """What the graph needs of one chunk; `name` is its title's, `mentions` are other titles in its text."""

    id: str
    document_id: str
    title: str
    source: str
    heading: str
    text: str
    position: int
    name: str = ""
    mentions: frozenset[str] = field(default_factory=frozenset)


class Graph:
    """Writes and reads the graph of one space. Raises StoreUnavailable."""

    def __init__(self, nebula: Nebula) -> None:
        self.nebula = nebula
        self.ready: set[str] = set()
        self.settle_s = SETTLE_S
        self.settled_at: dict[str, float] = {}

    async def ensure(self, space: str) -> None:
        """Make the space and its schema when they are missing."""
        if space in self.ready:
            return
        made = f"CREATE SPACE IF NOT EXISTS `{space}`(vid_type=FIXED_STRING(64))"
        await self.execute("", made)
        self.settled_at[space] = time.monotonic() + self.settle_s
        for statement in SCHEMA:
            await self.execute(space, statement)
        self.ready.add(space)

    async def write(
        self, space: str, passages: Sequence[Passage], mentions: Sequence[tuple[str, str]]
    ) -> None:
        """Insert `passages` and the `(passage, name)` mentions of others; again changes nothing."""
        await self.ensure(space)
        for statement in await asyncio.to_thread(lambda: list(statements(passages, mentions))):
            await self.execute(space, statement)
        found = {name for item in passages for name in (item.name, *item.mentions) if name}
        await self.count(space, sorted(found | {name for _, name in mentions}))

    async def around(
        self,
        space: str,
        passages: Sequence[str],
        named: Sequence[str],
        telling: Telling,
        *,
        deadline_s: float,
    ) -> Neighbourhood:
        """The links around `passages`, in three queries whose rows are bounded, through `telling` names."""
        found = Neighbourhood()
        try:
            shown = f"{LINK}, type(edge) AS t, properties($$).mentioned AS n, properties($$).name AS m"
            near = await self.rows(space, passages, "mentions, about", shown, deadline_s=deadline_s)
            for chunk, name, kind, degree, label in near:
                _note(found, name, degree, label)
                (found.about if kind == "about" else found.mentions).add((chunk, name))
            told = await telling(found.labels.values())
            dull = {name for name, label in found.labels.items() if label not in told}
            found.about.difference_update([pair for pair in found.about if pair[1] in dull])
            names = (found.labels.keys() | set(named)) - dull
            await self._titled(space, sorted(names), found, deadline_s)
            own = sorted({name for _, name in found.about if found.degree.get(name, 0) <= HUB})
            back = await self.rows(space, own, "mentions REVERSELY", LINK, deadline_s=deadline_s)
            found.mentions.update((chunk, name) for chunk, name in back)
        except CollectionNotFound:
            return Neighbourhood()
        return found

    async def titled(self, space: str, named: Sequence[str], *, deadline_s: float) -> Neighbourhood:
        """The passages whose title is one of `named` (vertex ids)."""
        found = Neighbourhood()
        try:
            await self._titled(space, named, found, deadline_s)
        except CollectionNotFound:
            return Neighbourhood()
        return found

    async def _titled(
        self, space: str, names: Sequence[str], found: Neighbourhood, deadline_s: float
    ) -> None:
        shown = f"{LINK}, properties($^).mentioned AS n, properties($^).name AS m"
        rows = await self.rows(space, names, "about REVERSELY", shown, deadline_s=deadline_s)
        for chunk, name, degree, label in rows:
            _note(found, name, degree, label)
            found.about.add((chunk, name))

    async def count(self, space: str, names: Sequence[str], *, fewer: bool = False) -> None:
        """Keep on each name how many passages mention it: a search need not walk a hub to know it is one.

        `fewer`: some mentions have gone, so that what was a hub may be one no longer."""
        ids = {vertex(name): name for name in names}
        for part in parts(list(ids), BATCH):
            held = {} if fewer else await self._mentioned(space, part)
            asked = [key for key in part if held.get(key, 0) < MANY]
            if not asked:
                continue
            query = (
                f"GO FROM {listed(asked)} OVER mentions REVERSELY YIELD dst(edge) AS e "
                "| GROUP BY $-.e YIELD $-.e AS e, count(*) AS n"
            )
            _, rows = await self.nebula.execute(space, query, deadline_s=WRITE_S)
            counted: Mapping[str, int] = {str(row[0]): min(MANY, int(row[1])) for row in rows}
            values = [f"{quoted(key)}:({quoted(ids[key])}, {counted.get(key, 0)})" for key in asked]
            await self.execute(space, f"INSERT VERTEX entity(name, mentioned) VALUES {', '.join(values)}")

    async def _mentioned(self, space: str, names: Sequence[str]) -> dict[str, int]:
        """What `count` has kept on names (vertex ids)."""
        query = f"FETCH PROP ON entity {listed(names)} YIELD id(vertex) AS e, entity.mentioned AS n"
        _, rows = await self.nebula.execute(space, query, deadline_s=WRITE_S)
        return {str(key): int(count) for key, count in rows if isinstance(count, int)}

    async def sweep(self, space: str, names: Mapping[str, object]) -> set[str]:
        """Remove of `names`, labels by vertex id, those that no edge reaches any more; which they were.

        Writers lead edges before they name what these reach, so an edge that came between the look and the
        removal is seen after it, and a thing gets its name again; titles get theirs when they are counted."""
        swept: set[str] = set()
        for part in parts(list(names), BATCH):
            orphans = sorted(set(part) - await self._reached(space, part))
            if not orphans:
                continue
            await self.execute(space, f"DELETE VERTEX {listed(orphans)}")
            back = await self._reached(space, orphans)
            await self.name_things(space, {key: str(names[key]) for key in back if is_thing(key, names[key])})
            swept.update(set(orphans) - back)
        return swept

    async def _reached(self, space: str, names: Sequence[str]) -> set[str]:
        over = "about, mentions, names, related REVERSELY"
        return {row[0] for row in await self.rows(space, names, over, "DISTINCT dst(edge) AS e")}

    async def name_things(self, space: str, things: Mapping[str, str]) -> None:
        """Names by vertex id; after the edges that reach them (`sweep`)."""
        named = [f"{quoted(key)}:({quoted(name)})" for key, name in things.items()]
        await self.each(space, "INSERT VERTEX thing(name) VALUES", named)

    async def rows(
        self, space: str, starts: Sequence[str], over: str, shown: str, *, deadline_s: float | None = None
    ) -> list[list]:
        """Rows of one step; a search has a deadline, and reads no more than `ROWS` edges of a part."""
        found: list[list] = []
        for part in parts(starts, BATCH):
            query = f"GO FROM {listed(part)} OVER {over} YIELD {shown}"
            if deadline_s is None:
                found += await self.execute(space, query)
            else:
                query += f" LIMIT [{ROWS}]"
                found += (await self.nebula.execute(space, query, deadline_s=deadline_s))[1]
        return found

    async def each(self, space: str, head: str, items: Sequence[str]) -> None:
        """Run `head` on all `items`, so many at a time."""
        for part in parts(items, BATCH):
            await self.execute(space, f"{head} {', '.join(part)}")

    async def execute(self, space: str, statement: str) -> list[list]:
        """Run a write, or a look before one; again while a space that was just made is not known to all of a
        cluster."""
        while True:
            try:
                return (await self.nebula.execute(space, statement, deadline_s=WRITE_S))[1]
            except (BadRequest, CollectionNotFound) as exc:
                if not unsettled(exc.message) or time.monotonic() >= self.settled_at.get(space, 0.0):
                    raise
            await asyncio.sleep(RETRY_S)


def statements(passages: Sequence[Passage], mentions: Sequence[tuple[str, str]]) -> Iterable[str]:
    """The nGQL that writes `passages` and `mentions`, in batches."""
    speaks = {item.id: entities(item.title, item.heading, item.text) for item in passages}
    documents = {item.document_id: item for item in passages}
    things = sorted({name for weights in speaks.values() for name in weights})
    known = [*mentions, *((item.id, name) for item in passages for name in sorted(item.mentions))]
    values = {
        "VERTEX document(title, source)": [
            f"{quoted(document_vertex(key))}:({quoted(item.title)}, {quoted(item.source)})"
            for key, item in documents.items()
        ],
        "VERTEX chunk(document, position)": [
            f"{quoted(item.id)}:({quoted(item.document_id)}, {item.position})" for item in passages
        ],
        "EDGE about()": [edge(item.id, vertex(item.name)) for item in passages if item.name],
        "EDGE mentions()": [edge(chunk, vertex(name)) for chunk, name in known],
        "EDGE names(weight)": [
            edge(chunk, thing_vertex(name), str(weight))
            for chunk, weights in speaks.items()
            for name, weight in weights.items()
        ],
        "VERTEX thing(name)": [f"{quoted(thing_vertex(name))}:({quoted(name)})" for name in things],
        "EDGE part_of()": [edge(item.id, document_vertex(item.document_id)) for item in passages],
        "EDGE next()": [edge(one.id, two.id) for one, two in _neighbours(passages)],
    }
    for head, items in values.items():
        yield from (f"INSERT {head} VALUES {', '.join(part)}" for part in parts(items, BATCH))


def unsettled(message: str) -> bool:
    """Whether an error may only mean that a new space, tag or edge has not reached every server yet."""
    said = message.lower()
    return any(mark in said for mark in UNSETTLED)


def document_vertex(document_id: str) -> str:
    return "d" + vertex(document_id)[1:]


def thing_vertex(name: str) -> str:
    return "t" + vertex(name)[1:]


def is_thing(key: str, name: object) -> bool:
    """Whether a name's vertex is a thing's, and its name known."""
    return key.startswith("t") and isinstance(name, str)


def space_name(tenant: str, collection: str) -> str:
    """The graph's space of a tenant's collection."""
    return tenants.space_name(tenant, collection)


def _note(found: Neighbourhood, name: str, degree: object, label: object) -> None:
    found.degree[name] = degree if isinstance(degree, int) else 0
    found.labels[name] = str(label)


def edge(one: str, two: str, properties: str = "") -> str:
    return f"{quoted(one)}->{quoted(two)}:({properties})"


def _neighbours(passages: Sequence[Passage]) -> Iterable[tuple[Passage, Passage]]:
    ordered = sorted(passages, key=lambda item: (item.document_id, item.position))
    return ((one, two) for one, two in pairwise(ordered) if one.document_id == two.document_id)


def listed(ids: Iterable[str]) -> str:
    return ", ".join(quoted(item) for item in ids)


def parts(items: Sequence[str], count: int) -> Iterable[Sequence[str]]:
    return (items[start : start + count] for start in range(0, len(items), count))
