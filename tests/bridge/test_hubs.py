"""Names that very many passages hold: counted as far as it matters, and gone with the last that says them."""

from servers.bridge.entities import entities
from servers.bridge.graph import MANY, ROWS, Passage, thing_vertex
from servers.bridge.names import vertex
from servers.bridge.nebula import quoted
from servers.bridge.stores import Stores, open_stores
from tools.settings import Settings


async def mentioned(stores: Stores, space: str, name: str) -> list:
    query = f"FETCH PROP ON entity {quoted(vertex(name))} YIELD entity.mentioned AS n"
    return (await stores.nebula.execute(space, query))[1]


async def test_a_hub_is_counted_no_further_until_some_of_it_goes(graph: Settings) -> None:
    async with open_stores(graph) as stores:
        links, more = stores.ingest.graph, 5
        passages = [f"c{number}" for number in range(MANY + more)]
        await links.write("hubs", [], [(key, "hub") for key in passages])
        assert await mentioned(stores, "hubs", "hub") == [[MANY]]
        await links.delete("hubs", passages[:MANY])
        assert await mentioned(stores, "hubs", "hub") == [[more]]
        await links.delete("hubs", passages[MANY:])
        assert await mentioned(stores, "hubs", "hub") == []


async def test_all_that_a_long_document_names_goes_with_it(graph: Settings) -> None:
    each, count = 15, 150
    assert each * count > ROWS
    texts = [" ".join(f"`thing_{page}_{n}`" for n in range(each)) for page in range(count)]
    passages = [
        Passage(id=f"p{n}", document_id="d", title="", source="", heading="", text=text, position=n)
        for n, text in enumerate(texts)
    ]
    things = [quoted(thing_vertex(name)) for text in texts for name in entities("", "", text)]
    query = f"FETCH PROP ON thing {', '.join(things)} YIELD id(vertex) AS v"
    async with open_stores(graph) as stores:
        links = stores.ingest.graph
        await links.write("long", passages, [])
        assert len((await stores.nebula.execute("long", query))[1]) == len(things)
        await links.delete("long", [item.id for item in passages], document_ids=["d"])
        assert (await stores.nebula.execute("long", query))[1] == []
