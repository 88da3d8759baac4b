"""What one hybrid search asks of PostgreSQL and of NebulaGraph: few statements, and of each name once."""

import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event

from servers.bridge.services import Services, open_services
from servers.bridge.text.title_names import name_of
from tools.schema import Document, SearchRequest
from tools.settings import Settings

LELAND = Document(id="leland", title="Leland", text="Maximum Overdrive was shot in this town.")
MOVIE = Document(id="movie", title="Maximum Overdrive", text="Directed by Stephen King.")
KING = Document(id="king", title="Stephen King", text="He was born in Portland and visited Leland.")
STEP = re.compile(r"GO FROM (.*?) OVER (.*?) YIELD")


class Statements:
    """The SQL, with its parameters, and the nGQL that were sent."""

    def __init__(self) -> None:
        self.sql: list[tuple[str, Any]] = []
        self.ngql: list[str] = []

    def names_looked_up(self) -> Counter[str]:
        """How often each name was looked up among the titles in PostgreSQL."""
        looked_up = [parameters["names"] for text, parameters in self.sql if "string_to_array" in text]
        return Counter(name for names in looked_up for name in names.split("\n"))

    def steps(self) -> Counter[tuple[str, str]]:
        """How often NebulaGraph walked from each vertex over the same edges."""
        walked = [STEP.findall(text)[0] for text in self.ngql]
        return Counter((edges, start) for starts, edges in walked for start in starts.split(", "))


@asynccontextmanager
async def logged(stores: Services) -> AsyncIterator[Statements]:
    """The statements that are sent within the block."""
    found, execute = Statements(), stores.nebula.execute

    async def noted(space: str, statement: str, *given: Any, **named: Any) -> Any:
        found.ngql.append(statement)
        return await execute(space, statement, *given, **named)

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        found.sql.append((statement, parameters))

    stores.nebula.execute = noted
    event.listen(stores.postgres.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(stores.postgres.engine.sync_engine, "before_cursor_execute", note)
        stores.nebula.execute = execute


async def asked(graph: Settings, collection: str, query: str, *documents: Document) -> Statements:
    """What a first search of a collection of `documents` sends; it finds them all."""
    async with open_services(graph) as stores:
        stores.search.retrievers.deadline_s = 60.0  # a busy machine costs no retriever
        await stores.ingest.upsert("default", collection, documents)
        async with logged(stores) as found:
            answer = await stores.search.run("default", SearchRequest(query=query, collection=collection))
        assert answer.degraded == []
        assert {hit.document_id for hit in answer.results} == {item.id for item in documents}
        return found


async def test_a_search_sends_few_statements_and_asks_of_each_name_once(graph: Settings) -> None:
    query = "Who directed the film that was shot in Leland?"
    found = await asked(graph, "statements", query, LELAND, MOVIE, KING)
    assert (len(found.sql), len(found.ngql)) == (4, 6)
    assert {name: count for name, count in found.names_looked_up().items() if count > 1} == {}
    assert {step: count for step, count in found.steps().items() if count > 1} == {}
    assert {name_of("Leland", "en"), name_of("Maximum Overdrive", "en")} <= found.names_looked_up().keys()


async def test_names_that_the_query_holds_are_not_looked_up_again_around_what_it_finds(
    graph: Settings,
) -> None:
    found = await asked(graph, "named", "Was Maximum Overdrive shot in Leland?", LELAND, MOVIE)
    assert (len(found.sql), len(found.ngql)) == (3, 5)
