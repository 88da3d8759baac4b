"""OpenAI's files through its own client: ingested, so that the next question finds them; each its owner's."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from servers.api.runs.tables import create_tables, open_engine
from servers.api.stored.files import FileRow, StoredFiles
from tests.agents.peers import Knobs
from tests.api.test_owners import ANA
from tests.serving import serving
from tools.access.identity import LOCAL
from tools.errors import NotFound
from tools.settings import Settings

NOTE = "El capibara más viejo de la reserva se llama Anselmo y tiene doce años.\n".encode()
QUESTION = "¿Cómo se llama el capibara más viejo de la reserva?"


async def test_uploaded_text_is_found_by_the_next_question_until_it_is_deleted(
    client: openai.AsyncOpenAI, knobs: Knobs
) -> None:
    made: Any = await client.files.create(file=("reserva.md", NOTE), purpose="user_data")
    assert (made.status, made.filename, made.bytes, made.collection) == (
        "processed",
        "reserva.md",
        len(NOTE),
        "capibara6",
    )
    answered = await client.responses.create(model="capibara6", input=QUESTION)
    part: Any = answered.output[0]
    assert "Anselmo" in answered.output_text
    assert part.content[0].annotations[0].file_id == made.id
    other = await client.files.create(file=("b.txt", b"otra cosa"), purpose="assistants")
    assert [file.id async for file in client.files.list(limit=1)] == [other.id, made.id]
    assert [file.id async for file in client.files.list(purpose="user_data", order="asc")] == [made.id]
    assert (await client.files.content(made.id)).content == NOTE
    assert (await client.files.retrieve(made.id)).id == made.id
    for file in (made, other):
        assert (await client.files.delete(file.id)).deleted
    assert made.id not in [one["id"] for one in knobs.documents]
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(made.id)


async def test_what_nobody_can_read_is_refused_and_not_kept(client: openai.AsyncOpenAI, knobs: Knobs) -> None:
    refused: tuple[tuple[Any, Any, str], ...] = (
        (b" \n", "user_data", "empty_file"),
        (b"{}", "fine-tune", "unsupported_parameter"),
    )
    for content, purpose, code in refused:
        with pytest.raises(openai.APIStatusError) as caught:
            await client.files.create(file=("x", content), purpose=purpose)
        assert (caught.value.status_code // 100, caught.value.code) == (4, code)
    assert [file.id async for file in client.files.list()] == []
    assert "/api/v1/documents" not in knobs.asked


@pytest.fixture
def flows(peers: tuple[Settings, Knobs]) -> Iterator[dict[str, Any]]:
    """A small Prefect server: its one run ends as `state` and `table` say; `asked` is what it was asked."""
    told: dict[str, Any] = {"state": "RUNNING", "table": [], "asked": []}
    app = FastAPI()

    @app.get("/api/health")
    async def health() -> Any:
        return JSONResponse(True, status_code=503 if told["state"] == "AWAY" else 200)

    @app.get("/api/deployments/name/ingest/ingest")
    async def deployment() -> Any:
        return {"id": "d1"}

    @app.post("/api/deployments/d1/create_flow_run")
    async def create(request: Request) -> Any:
        told["asked"].append(await request.json())
        return shown()

    @app.get("/api/flow_runs/r1")
    async def run() -> Any:
        return shown()

    @app.post("/api/artifacts/filter")
    async def artifacts() -> Any:
        return [{"type": "table", "data": json.dumps(told["table"])}]

    def shown() -> Any:
        return {"id": "r1", "name": "ingest-x", "state": {"type": told["state"]}, "tags": []}

    with serving(app, peers[0].ports.prefect):
        yield told


@pytest.mark.parametrize(
    ("state", "table", "ends"),
    [
        ("COMPLETED", [{"document": "a", "status": "added"}], ("processed", None)),
        (
            "FAILED",
            [{"document": "a", "status": "failed", "reason": "tiene clave"}],
            ("error", "tiene clave"),
        ),
    ],
)
async def test_an_office_file_is_read_by_a_flow_and_says_what_became_of_it(
    client: openai.AsyncOpenAI, flows: dict[str, Any], state: str, table: Any, ends: tuple[str, Any]
) -> None:
    made: Any = await client.files.create(file=("informe año.pdf", b"%PDF-1.7\xff\xfe"), purpose="user_data")
    assert made.status == "uploaded"
    parameters = flows["asked"][0]["parameters"]
    assert parameters["sources"] == [f"upload://{made.id}/informe_año.pdf"]
    assert (parameters["collection"], parameters["within"]) == ("capibara6", [])
    assert (await client.files.retrieve(made.id)).status == "uploaded"
    flows["state"] = "AWAY"
    assert (await client.files.retrieve(made.id)).status == "uploaded"
    flows |= {"state": state, "table": table}
    for _ in range(2):  # what has ended is kept
        done = await client.files.retrieve(made.id)
        assert (done.status, done.status_details) == ends
    await client.files.delete(made.id)


async def test_without_flows_an_office_file_is_not_kept(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        await client.files.create(file=("informe.pdf", b"%PDF-1.7\xff"), purpose="user_data")
    assert caught.value.status_code == 503
    assert [file.id async for file in client.files.list()] == []


async def test_another_persons_file_is_not_there(settings: Settings) -> None:
    settings.home.mkdir(parents=True)
    async with open_engine(settings) as engine:
        stored = StoredFiles(engine)
        await create_tables(engine, "files")
        row = FileRow(
            tenant="huerta",
            owner="ana",
            filename="a",
            purpose="user_data",
            collection="x",
            size=1,
            content=b"a",
        )
        await stored.insert(row)
        assert (await stored.get(row.file_id, ANA)).content == b"a"
        with pytest.raises(NotFound):
            await stored.get(row.file_id, LOCAL)
        assert await stored.search(LOCAL, purpose=None, limit=9, newest_first=True, after=None) == []
