"""Removes passages from a collection's graph so that a crash half-way is repaired by doing it again.

The names of a passage are only known from its edges, and these go with it. So each name is first noted on its
document (edge `leaving`), and the note goes last: who comes after a crash finds there what is left to do.
"""

from collections.abc import Sequence

from servers.bridge.graph.extraction_edges import ranked_edge
from servers.bridge.graph.knowledge_graph import KnowledgeGraph
from servers.bridge.graph.statements import (
    BATCH,
    ENDPOINTS,
    batches,
    document_vertex,
    edge,
    id_list,
    is_title,
    space_name,
)
from servers.bridge.manifest.title_index import TitleIndex
from servers.bridge.manifest.upsert_plan import Location
from servers.bridge.text.title_names import vertex

COLUMNS = f"{ENDPOINTS}, properties($^).document AS d, properties($$).name AS m"


class Removal:
    """Raises StoreUnavailable."""

    def __init__(self, graph: KnowledgeGraph, titles: TitleIndex) -> None:
        self.graph, self.titles = graph, titles

    async def remove(
        self,
        location: Location,
        passages: Sequence[str],
        documents: Sequence[str],
        *,
        names: Sequence[str] = (),
        whole: bool = False,
    ) -> None:
        """Remove `passages` (ids) of `documents` (ids), and these too when they go as a `whole`; then what no
        edge reaches any more: things without a passage, and titles, of theirs or among `names`, that no
        document has now."""
        given = {name for name in names if name}
        if not (passages or whole or given - await self.titles.known(location, given)):
            return
        space = space_name(location.tenant, location.collection)
        await self.graph.ensure(space)
        owners = [document_vertex(key) for key in documents]
        linked = await self.graph.go(space, passages, "about, mentions, names", COLUMNS)
        noted = await self.graph.go(space, owners, "leaving", COLUMNS)
        notes = sorted(
            {(document_vertex(owner), key) for _, key, owner, _ in linked if isinstance(owner, str)}
        )
        await self.graph.each(space, "INSERT EDGE leaving() VALUES", [edge(*note) for note in notes])
        await self._delete(space, passages)
        await self._sweep(location, space, {key: name for _, key, _, name in (*linked, *noted)}, given)
        if whole:
            await self._delete(space, owners)
        else:
            done = sorted({*notes, *((owner, key) for owner, key, _, _ in noted)})
            edges = [ranked_edge(owner, key, 0) for owner, key in done]
            await self.graph.each(space, "DELETE EDGE leaving", edges)

    async def _sweep(self, location: Location, space: str, left: dict[str, object], given: set[str]) -> None:
        """Remove of `left` (names by vertex id) and of the titles `given` what nothing reaches; count the
        rest."""
        titles = given | {str(name) for key, name in left.items() if is_title(key, name)}
        names = left | await self._retired(location, space, titles)
        swept = await self.graph.sweep(space, names)
        kept = {str(name) for key, name in names.items() if is_title(key, name) and key not in swept}
        await self.graph.count(space, sorted(kept), fewer=True)

    async def _delete(self, space: str, vertices: Sequence[str]) -> None:
        for batch in batches(vertices, BATCH):
            await self.graph.execute(space, f"DELETE VERTEX {id_list(batch)} WITH EDGE")

    async def _retired(self, location: Location, space: str, titles: set[str]) -> dict[str, object]:
        """Those of `titles` that no document has now, names by vertex id; nobody mentions them any more."""
        retired = titles - await self.titles.known(location, titles)
        starts = sorted(map(vertex, retired))
        mentioning = await self.graph.go(space, starts, "mentions REVERSELY", f"{ENDPOINTS}, rank(edge) AS r")
        gone = [ranked_edge(one, two, rank) for one, two, rank in mentioning]
        await self.graph.each(space, "DELETE EDGE mentions", gone)
        # Whom another writer has given one meanwhile is mentioned as before.
        taken = sorted(await self.titles.known(location, retired))
        links = [edge(chunk, vertex(name)) for chunk, name in await self.titles.mentioning(location, taken)]
        await self.graph.each(space, "INSERT EDGE mentions() VALUES", links)
        return {vertex(name): name for name in retired}
