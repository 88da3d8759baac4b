"""The graph retriever: passages linked to what dense and text found, and to the titles that the query names.

It knows from the manifest which names are titles, and hands these to the graph; no name is asked for twice in
one search, neither of PostgreSQL nor of NebulaGraph. What else the surest passages name joins them to those
that name it too. What the links are worth is `graph.expansion`'s.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from servers.bridge.graph.expansion import HUB_DEGREE, MAX_SEEDS, best_seeds, surest
from servers.bridge.graph.statements import space_name
from servers.bridge.graph.subgraph import Subgraph, SubgraphReader
from servers.bridge.manifest.title_index import TitleIndex
from servers.bridge.manifest.upsert_plan import Location
from servers.bridge.search.query import Query
from servers.bridge.text.title_names import name_of, query_names, vertex
from tools.errors import CollectionNotFound
from tools.schema import Language
from tools.text.words import stems

NAME_CHARS = 3
"""A shorter title is no name that links anything: a document called `2.` is not what every 2 speaks of."""

LANGUAGES: tuple[Language, ...] = ("en", "es")


@dataclass(frozen=True)
class TitleMatches:
    """The names in a query: those looked up, those that are the title of few passages, and by the vertex id
    of these the share in (0, 1] of the query's words that each is; the passages they are titles of."""

    looked_up: frozenset[str]
    titles: frozenset[str]
    shares: Mapping[str, float]
    passages: Subgraph


class GraphRetriever:
    """Raises StoreUnavailable. A collection without a graph has no links."""

    def __init__(self, titles: TitleIndex, reader: SubgraphReader) -> None:
        self.titles, self.reader = titles, reader

    async def match_titles(self, location: Location, query: Query, *, deadline_s: float) -> TitleMatches:
        """Which titles the query names; it needs nothing of the other retrievers and runs beside them."""
        names = query_names(query.text, list(query.languages))
        titles = await self.titles.telling(location, names)
        words = max(1, len(stems(query.text, query.language)))
        shares = {vertex(name): min(1.0, len(name.split()) / words) for name in titles}
        space = space_name(location.tenant, location.collection)
        try:
            passages = await self.reader.titled(space, sorted(shares), deadline_s=deadline_s)
        except CollectionNotFound:
            passages = Subgraph()
        return TitleMatches(frozenset(names), frozenset(titles), shares, passages)

    async def around(
        self, location: Location, seeds: Mapping[str, float], matches: TitleMatches, *, deadline_s: float
    ) -> Subgraph:
        """The links around the best of `seeds` (fused scores by passage id) and around the titles that
        matched; around the surest of them, what shares a rare name with them too."""
        titled = sorted(passage for passage, _ in matches.passages.about)
        starts = list(dict.fromkeys([*best_seeds(seeds), *titled[:MAX_SEEDS]]))
        sure = surest(seeds, matches.passages, matches.shares)
        space = space_name(location.tenant, location.collection)
        try:
            linked, things = await asyncio.gather(
                self.reader.linked(space, starts, deadline_s=deadline_s),
                self.reader.things(space, sure, deadline_s=deadline_s),
            )
            titles = set(linked.names.values())
            rare = {key: name for key, name in things.items() if titles.isdisjoint(_as_titles(name))}
            found, named = await asyncio.gather(
                self._through_titles(location, linked, matches, deadline_s),
                self.reader.naming(space, _rarest_first(rare), deadline_s=deadline_s),
            )
        except CollectionNotFound:
            return Subgraph()
        found.things.update((rare[key], passages) for key, passages in named.items())
        return found

    async def _through_titles(
        self, location: Location, found: Subgraph, matches: TitleMatches, deadline_s: float
    ) -> Subgraph:
        """The links of `found` through names that are the title of few passages, and who else has them."""
        space = space_name(location.tenant, location.collection)
        names = set(found.names.values())
        titles = matches.titles | await self.titles.telling(location, names - matches.looked_up)
        common = frozenset(
            key for key, name in found.names.items() if name not in titles or len(name) < NAME_CHARS
        )
        new = sorted(found.names.keys() - common - matches.shares.keys())
        found.about.difference_update([pair for pair in found.about if pair[1] in common])
        found.add(matches.passages, without=common)
        found.add(await self.reader.titled(space, new, deadline_s=deadline_s))
        own = sorted({name for _, name in found.about if found.degree.get(name, 0) <= HUB_DEGREE})
        found.mentions.update(await self.reader.mentioning(space, own, deadline_s=deadline_s))
        return found


def _rarest_first(things: Mapping[str, str]) -> list[str]:
    """Things (names by vertex id), those of several words first, which fewer passages name."""
    return sorted(things, key=lambda key: (" " not in things[key], key))


def _as_titles(thing: str) -> set[str]:
    """What a thing's name would be as a title in each language."""
    return {name_of(thing, language) for language in LANGUAGES}
