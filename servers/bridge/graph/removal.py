"""Takes passages out of a collection's graph so that a death half-way is ended by doing it again.

What a passage held is only known from its edges, and these go with it. So each name is first noted on its
document (`leaving`), and the note goes last: who comes after a death finds there what is left to do.
"""

from collections.abc import Sequence

from servers.bridge.graph.extraction_edges import edge as ranked
from servers.bridge.graph.knowledge_graph import (
    BATCH,
    LINK,
    Graph,
    document_vertex,
    edge,
    listed,
    parts,
    space_name,
)
from servers.bridge.manifest.title_index import TitleIndex
from servers.bridge.manifest.upsert_plan import Location
from servers.bridge.text.title_names import vertex

HELD = "src(edge) AS c, dst(edge) AS e, properties($^).document AS d, properties($$).name AS m"


class Removal:
    """Raises StoreUnavailable."""

    def __init__(self, graph: Graph, titles: TitleIndex) -> None:
        self.graph, self.titles = graph, titles

    async def remove(
        self,
        place: Location,
        passages: Sequence[str],
        documents: Sequence[str],
        *,
        names: Sequence[str] = (),
        whole: bool = False,
    ) -> None:
        """Remove `passages` of `documents`, and these too when they go as a `whole`; then what nobody holds:
        things without a passage, and titles, of theirs or among `names`, that no document has any more."""
        given = {name for name in names if name}
        if not (passages or whole or given - await self.titles.known(place, given)):
            return
        space = space_name(place.tenant, place.collection)
        await self.graph.ensure(space)
        owners = [document_vertex(key) for key in documents]
        held = await self.graph.rows(space, passages, "about, mentions, names", HELD)
        noted = await self.graph.rows(space, owners, "leaving", HELD)
        notes = sorted({(document_vertex(owner), key) for _, key, owner, _ in held if isinstance(owner, str)})
        await self.graph.each(space, "INSERT EDGE leaving() VALUES", [edge(*note) for note in notes])
        left = {key: label for _, key, _, label in (*held, *noted)}
        await self._vanish(space, passages)
        titles = given | {str(name) for key, name in left.items() if is_title(key, name)}
        retired = await self._retired(place, space, titles)
        swept = await self.graph.sweep(space, left | retired)
        kept = {
            str(name) for key, name in (left | retired).items() if is_title(key, name) and key not in swept
        }
        await self.graph.count(space, sorted(kept), fewer=True)
        if whole:
            await self._vanish(space, owners)
        else:
            ended = {*notes, *((owner, key) for owner, key, _, _ in noted)}
            await self.graph.each(
                space, "DELETE EDGE leaving", [ranked(owner, key, 0) for owner, key in sorted(ended)]
            )

    async def _vanish(self, space: str, vertices: Sequence[str]) -> None:
        for part in parts(vertices, BATCH):
            await self.graph.execute(space, f"DELETE VERTEX {listed(part)} WITH EDGE")

    async def _retired(self, place: Location, space: str, titles: set[str]) -> dict[str, object]:
        """Take away who mentions those of `titles` that are nobody's now; names by vertex id."""
        retired = titles - await self.titles.known(place, titles)
        starts = sorted(map(vertex, retired))
        mentioning = await self.graph.rows(space, starts, "mentions REVERSELY", f"{LINK}, rank(edge) AS r")
        gone = [ranked(one, two, rank) for one, two, rank in mentioning]
        await self.graph.each(space, "DELETE EDGE mentions", gone)
        # Whom another writer has given one meanwhile is mentioned as before.
        taken = sorted(await self.titles.known(place, retired))
        links = [edge(chunk, vertex(name)) for chunk, name in await self.titles.mentioning(place, taken)]
        await self.graph.each(space, "INSERT EDGE mentions() VALUES", links)
        return {vertex(name): name for name in retired}


def is_title(key: str, name: object) -> bool:
    """Whether a name's vertex is a title's, and there; things are counted by nobody."""
    return key.startswith("e") and isinstance(name, str)
