import pytest

from tools.errors import BadRequest
from tools.registry import TOOLS, Tool, bind
from tools.schema import Hit, SearchRequest, SearchResponse

pytestmark = pytest.mark.pure


class Shelf:
    """A bridge that is only a shelf."""

    async def search(self, request: SearchRequest) -> SearchResponse:
        hit = Hit(id="1", document_id="1", text=f"{request.query} {request.top_k}", score=1)
        return SearchResponse(results=[hit])


async def test_bound_tool_is_called_with_its_clients_and_checked_arguments() -> None:
    tools = bind({"bridge": Shelf()})
    answer = await tools["search_knowledge"].call({"query": "hola", "top_k": 2})
    assert answer["results"][0]["text"] == "hola 2"


@pytest.mark.parametrize(
    "arguments", [{}, {"query": 1}, {"query": "a", "bridge": None}, {"query": "a", "x": 1}]
)
async def test_wrong_arguments_are_said_by_name(arguments) -> None:
    with pytest.raises(BadRequest, match="search_knowledge"):
        await bind({"bridge": Shelf()})["search_knowledge"].call(arguments)


def test_schema_tells_the_model_what_it_may_fill_in() -> None:
    function = bind({"bridge": Shelf()})["search_knowledge"].schema["function"]
    assert function["name"] == "search_knowledge"
    assert function["description"].startswith("Search the documents")
    assert set(function["parameters"]["properties"]) == {"query", "collection", "top_k"}
    assert function["parameters"]["required"] == ["query"]


def test_tool_without_its_client_is_not_offered() -> None:
    assert bind({}) == {}
    assert set(bind({"bridge": 1, "speech": 2})) == set(TOOLS)


async def test_a_tool_is_any_plain_typed_function() -> None:
    async def add(one: int, other: int = 2) -> int:
        """Add two numbers."""
        return one + other

    tools = bind({}, {"add": Tool(add)})
    assert await tools["add"].call({"one": 1}) == 3
