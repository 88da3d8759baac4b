"""The knowledge graph of a collection in NebulaGraph: chunks, entities, and the edges between them.

It owns the schema and the statements; which passages win is `rank`'s business.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from servers.bridge.entities import entities, vertex
from servers.bridge.nebula import Nebula, quoted
from tools.errors import CollectionNotFound

SCHEMA = (
    "CREATE TAG IF NOT EXISTS document(title string, source string)",
    "CREATE TAG IF NOT EXISTS chunk(document string, position int)",
    "CREATE TAG IF NOT EXISTS entity(name string)",
    "CREATE EDGE IF NOT EXISTS mentions(weight double)",
    "CREATE EDGE IF NOT EXISTS part_of()",
    "CREATE EDGE IF NOT EXISTS next()",
)
BATCH = 200
ROWS = 4_000


@dataclass(frozen=True)
class Passage:
    """What the graph needs of one chunk."""

    id: str
    document_id: str
    title: str
    source: str
    heading: str
    text: str
    position: int


@dataclass(frozen=True)
class Neighbourhood:
    """The subgraph around some seeds: `(chunk, entity, weight)` edges and the entities' names."""

    edges: list[tuple[str, str, float]]
    names: dict[str, str]


class Graph:
    """Writes and reads the graph of one space. Raises StoreUnavailable."""

    def __init__(self, nebula: Nebula) -> None:
        self.nebula = nebula
        self.ready: set[str] = set()

    async def ensure(self, space: str) -> None:
        """Make the space and its schema when they are missing."""
        if space in self.ready:
            return
        await self.nebula.execute(
            "", f"CREATE SPACE IF NOT EXISTS `{space}`(vid_type=FIXED_STRING(64))", deadline_s=10.0
        )
        for statement in SCHEMA:
            await self.nebula.execute(space, statement, deadline_s=10.0)
        self.ready.add(space)

    async def write(self, space: str, passages: Sequence[Passage]) -> None:
        """Insert vertices and edges of `passages`; writing them again changes nothing."""
        await self.ensure(space)
        for statement in statements(passages):
            await self.nebula.execute(space, statement, deadline_s=30.0)

    async def delete(self, space: str, chunk_ids: Sequence[str], *, document_ids: Sequence[str] = ()) -> None:
        """Remove chunks (and documents) with their edges, then the entities that nobody mentions any more."""
        gone = [*chunk_ids, *(document_vertex(item) for item in document_ids)]
        if not gone:
            return
        try:
            mentioned = {entity for _, entity, _ in await self._mentions(space, chunk_ids)}
            for part in _parts(gone, BATCH):
                await self.nebula.execute(space, f"DELETE VERTEX {_list(part)} WITH EDGE", deadline_s=30.0)
            await self._sweep(space, sorted(mentioned))
        except CollectionNotFound:
            return

    async def around(
        self, space: str, chunk_ids: Sequence[str], extra: Sequence[str], *, deadline_s: float
    ) -> Neighbourhood:
        """Two queries: the seeds' entities, then every passage that mentions one of them or of `extra`."""
        try:
            first = await self._mentions(space, chunk_ids, deadline_s=deadline_s)
            found = sorted({entity for _, entity, _ in first} | set(extra))
            second = await self._mentioning(space, found, deadline_s=deadline_s)
        except CollectionNotFound:
            return Neighbourhood([], {})
        names = {entity: name for _, entity, _, name in second}
        return Neighbourhood([(chunk, entity, weight) for chunk, entity, weight, _ in second], names)

    async def _sweep(self, space: str, found: Sequence[str]) -> None:
        for part in _parts(found, BATCH):
            kept = {entity for _, entity, _, _ in await self._mentioning(space, part)}
            orphans = [entity for entity in part if entity not in kept]
            if orphans:
                await self.nebula.execute(space, f"DELETE VERTEX {_list(orphans)}", deadline_s=30.0)

    async def _mentions(
        self, space: str, chunk_ids: Sequence[str], *, deadline_s: float | None = None
    ) -> list[tuple[str, str, float]]:
        rows: list[tuple[str, str, float]] = []
        for part in _parts(chunk_ids, BATCH):
            query = (
                f"GO FROM {_list(part)} OVER mentions "
                "YIELD src(edge) AS c, dst(edge) AS e, mentions.weight AS w"
            )
            _, found = await self.nebula.execute(space, query, deadline_s=deadline_s)
            rows += [(row[0], row[1], float(row[2])) for row in found]
        return rows

    async def _mentioning(
        self, space: str, found: Sequence[str], *, deadline_s: float | None = None
    ) -> list[tuple[str, str, float, str]]:
        if not found:
            return []
        query = (
            f"GO FROM {_list(found)} OVER mentions REVERSELY YIELD src(edge) AS c, dst(edge) AS e, "
            f"mentions.weight AS w, properties($^).name AS n | LIMIT {ROWS}"
        )
        _, rows = await self.nebula.execute(space, query, deadline_s=deadline_s)
        return [(row[0], row[1], float(row[2]), str(row[3])) for row in rows]


def statements(passages: Sequence[Passage]) -> Iterable[str]:
    """The nGQL that writes `passages`, in batches."""
    about = {item.id: entities(item.title, item.heading, item.text) for item in passages}
    names = sorted({name for weights in about.values() for name in weights})
    documents = {item.document_id: item for item in passages}
    vertices = {
        "document(title, source)": [
            f"{quoted(document_vertex(key))}:({quoted(item.title)}, {quoted(item.source)})"
            for key, item in documents.items()
        ],
        "chunk(document, position)": [
            f"{quoted(item.id)}:({quoted(item.document_id)}, {item.position})" for item in passages
        ],
        "entity(name)": [f"{quoted(vertex(name))}:({quoted(name)})" for name in names],
    }
    edges = {
        "mentions(weight)": [
            f"{quoted(chunk)}->{quoted(vertex(name))}:({weight})"
            for chunk, weights in about.items()
            for name, weight in weights.items()
        ],
        "part_of()": [
            f"{quoted(item.id)}->{quoted(document_vertex(item.document_id))}:()" for item in passages
        ],
        "next()": [f"{quoted(one.id)}->{quoted(two.id)}:()" for one, two in _neighbours(passages)],
    }
    for head, values in vertices.items():
        yield from (f"INSERT VERTEX {head} VALUES {', '.join(part)}" for part in _parts(values, BATCH))
    for head, values in edges.items():
        yield from (f"INSERT EDGE {head} VALUES {', '.join(part)}" for part in _parts(values, BATCH))


def document_vertex(document_id: str) -> str:
    return "d" + vertex(document_id)[1:]


def space_name(tenant: str, collection: str) -> str:
    return collection if tenant == "default" else f"{tenant}__{collection}"


def _neighbours(passages: Sequence[Passage]) -> Iterable[tuple[Passage, Passage]]:
    ordered = sorted(passages, key=lambda item: (item.document_id, item.position))
    return ((one, two) for one, two in pairwise(ordered) if one.document_id == two.document_id)


def _list(ids: Iterable[str]) -> str:
    return ", ".join(quoted(item) for item in ids)


def _parts(items: Sequence[str], count: int) -> Iterable[Sequence[str]]:
    return (items[start : start + count] for start in range(0, len(items), count))
