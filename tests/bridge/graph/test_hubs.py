"""Names that very many passages hold: counted as far as it matters, and gone with the last that says them."""

from servers.bridge.clients.nebula.client import quoted
from servers.bridge.graph.knowledge_graph import MAX_COUNTED
from servers.bridge.graph.statements import Passage, thing_vertex
from servers.bridge.graph.subgraph import MAX_ROWS
from servers.bridge.manifest.title_index import FEW_PASSAGES
from servers.bridge.services import Services, open_services
from servers.bridge.text.entities import entities
from servers.bridge.text.title_names import name_of, vertex
from tools.schema import Document, SearchRequest
from tools.settings import Settings


async def mentioned(stores: Services, space: str, name: str) -> list:
    query = f"FETCH PROP ON entity {quoted(vertex(name))} YIELD entity.mentioned AS n"
    return (await stores.nebula.execute(space, query))[1]


async def test_a_hub_is_counted_no_further_until_some_of_it_goes(graph: Settings) -> None:
    async with open_services(graph) as stores:
        links, more = stores.ingest, 5
        passages = [f"c{number}" for number in range(MAX_COUNTED + more)]
        await links.upsert("default", "hubs", [Document(id="hub", title="Hub", text="It is a page.")])
        location = await stores.repository.where("default", "hubs")
        await links.graph.write("hubs", [], [(key, "hub") for key in passages])
        assert await mentioned(stores, "hubs", "hub") == [[MAX_COUNTED]]
        await links.removal.remove(location, passages[:MAX_COUNTED], [])
        assert await mentioned(stores, "hubs", "hub") == [[more]]
        await links.delete("default", "hubs", "hub")
        assert await mentioned(stores, "hubs", "hub") == []


async def test_all_that_a_long_document_names_goes_with_it(graph: Settings) -> None:
    each, count = 15, 150
    assert each * count > MAX_ROWS
    texts = [" ".join(f"`thing_{page}_{n}`" for n in range(each)) for page in range(count)]
    passages = [
        Passage(id=f"p{n}", document_id="d", title="", source="", heading="", text=text, position=n)
        for n, text in enumerate(texts)
    ]
    things = [quoted(thing_vertex(name)) for text in texts for name in entities("", "", text)]
    query = f"FETCH PROP ON thing {', '.join(things)} YIELD id(vertex) AS v"
    async with open_services(graph) as stores:
        location = await stores.repository.where("default", "long")
        await stores.ingest.graph.write("long", passages, [])
        assert len((await stores.nebula.execute("long", query))[1]) == len(things)
        await stores.ingest.removal.remove(location, [item.id for item in passages], ["d"], whole=True)
        assert (await stores.nebula.execute("long", query))[1] == []


async def test_the_title_of_a_whole_book_leads_to_none_of_its_passages(graph: Settings) -> None:
    async with open_services(graph) as stores:
        text = "\n\n".join(f"# Part {n}\n\nHere the number {n} is told." for n in range(FEW_PASSAGES + 1))
        book = Document(id="book", title="Harbour manual", text=text)
        note = Document(id="note", title="Tide table", text="It goes with the harbour manual.")
        await stores.ingest.upsert("default", "books", [book, note])
        location = await stores.repository.where("default", "books")
        names = [name_of(book.title, "en"), name_of(note.title, "en"), "nobody"]
        assert await stores.search.retrievers.graph.titles.known(location, names) == set(names[:2])
        assert await stores.search.retrievers.graph.titles.telling(location, names) == {names[1]}
        request = SearchRequest(query="number 7 of the harbour manual", top_k=5, collection="books")
        found = await stores.search.run("default", request)
        assert found.results[0].document_id == "book"
        assert found.degraded == []
