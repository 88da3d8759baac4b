"""Two writers that meet at one name: who takes away does not take what the other has just brought."""

from collections.abc import Awaitable, Callable
from typing import Any

from servers.bridge.services import Services, open_services
from tests.bridge.snapshot import snapshot
from tools.schema import Document
from tools.settings import Settings

TIDE = Document(id="tide", title="Tide table", text="The `red_buoy` is lit at night.")
BUOY = Document(id="buoy", title="Buoys", text="Nobody moves the `red_buoy`.")
NOTE = Document(id="note", title="Note", text="It goes with the tide table.")
SAME = TIDE.model_copy(update={"id": "other", "text": "All tides of the year."})
Met = Callable[[], Awaitable[Any]]


def meeting(owner: Any, verb: str, met: Met, *, at: str, after: bool = False) -> None:
    """Let `met` happen once, before or after `owner.verb` is called with words that begin `at`."""
    real, waiting = getattr(owner, verb), [met]

    async def slow(*given: Any, **named: Any) -> Any:
        due = waiting and any(str(item).startswith(at) for item in given)
        if due and not after:
            await waiting.pop()()
        answer = await real(*given, **named)
        if due and after:
            await waiting.pop()()
        return answer

    setattr(owner, verb, slow)


async def graph_of(stores: Services, collection: str, *documents: Document) -> list[str]:
    """What the graph holds of a collection into which only these were ever written."""
    await stores.ingest.upsert("default", collection, documents)
    return (await snapshot(stores, collection))["graph"]


async def test_a_thing_keeps_its_name_when_its_last_passage_goes_as_another_comes(graph: Settings) -> None:
    async with open_services(graph) as stores, open_services(graph) as other:
        await stores.ingest.upsert("default", "comes", [TIDE])
        come = lambda: other.ingest.upsert("default", "comes", [BUOY])  # noqa: E731
        meeting(stores.ingest.graph, "execute", come, at='DELETE VERTEX "e')
        await stores.ingest.delete("default", "comes", "tide")
        assert (await snapshot(stores, "comes"))["graph"] == await graph_of(stores, "came", BUOY)


async def test_a_title_is_mentioned_when_its_document_goes_as_another_of_its_name_comes(
    graph: Settings,
) -> None:
    async with open_services(graph) as stores, open_services(graph) as other:
        await stores.ingest.upsert("default", "same", [TIDE, NOTE])
        come = lambda: other.ingest.upsert("default", "same", [SAME])  # noqa: E731
        meeting(stores.ingest.graph, "each", come, at="DELETE EDGE mentions")
        await stores.ingest.delete("default", "same", "tide")
        assert (await snapshot(stores, "same"))["graph"] == await graph_of(stores, "only", SAME, NOTE)


async def test_nothing_mentions_a_title_that_went_while_it_was_looked_up(graph: Settings) -> None:
    async with open_services(graph) as stores, open_services(graph) as other:
        await stores.ingest.upsert("default", "went", [TIDE])
        gone = lambda: other.ingest.delete("default", "went", "tide")  # noqa: E731
        meeting(stores.ingest.graph, "write", gone, at="")
        await stores.ingest.upsert("default", "went", [NOTE])
        assert (await snapshot(stores, "went"))["graph"] == await graph_of(stores, "never_there", NOTE)
