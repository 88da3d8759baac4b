"""A cluster that does not know a schema at once: writes to a space that was just made are tried again."""

from typing import Any

import pytest

from servers.bridge.graph.knowledge_graph import unsettled
from servers.bridge.graph.statements import Passage
from servers.bridge.services import Services, open_services
from tools.errors import BadRequest
from tools.settings import Settings


def passage() -> Passage:
    return Passage(id="c1", document_id="d1", title="Ada", source="", heading="", text="Ada.", position=0)


def slow_to_learn(stores: Services, times: int) -> list[str]:
    """Let the graph server refuse its first `times` inserts as a cluster does; which these were."""
    real, refused = stores.nebula.execute, list[str]()

    async def execute(space: str, statement: str, *given: Any, **named: Any) -> Any:
        if statement.startswith("INSERT") and len(refused) < times:
            refused.append(statement)
            raise BadRequest("SemanticError: No schema found for `document'", source="nebula")
        return await real(space, statement, *given, **named)

    stores.nebula.execute = execute
    return refused


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("SemanticError: No schema found for `chunk'", True),
        ("Storage Error: Tag not found.", True),
        ("SpaceNotFound: SpaceName `news`", True),
        ("there is no space news", True),
        ("SyntaxError: syntax error near `VALUES'", False),
    ],
)
def test_what_a_new_schema_explains_is_known_from_other_errors(message: str, *, expected: bool) -> None:
    assert unsettled(message) is expected


async def test_a_write_waits_until_the_cluster_knows_the_new_schema(graph: Settings) -> None:
    async with open_services(graph) as stores:
        refused = slow_to_learn(stores, 2)
        written = stores.ingest.graph
        await written.write("settling", [passage()], [])
        assert len(refused) == 2
        _, rows = await stores.nebula.execute("settling", 'GO FROM "c1" OVER part_of YIELD src(edge) AS c')
        assert rows == [["c1"]]


async def test_a_schema_that_never_comes_is_an_error_and_not_a_wait(graph: Settings) -> None:
    async with open_services(graph) as stores:
        stores.ingest.graph.settle_s = 0.0
        slow_to_learn(stores, 1_000)
        with pytest.raises(BadRequest, match="No schema"):
            await stores.ingest.graph.write("unsettled", [passage()], [])
