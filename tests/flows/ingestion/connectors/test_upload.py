"""Files that people uploaded: fetched from the API for whom the run acts, read with their pages and rows."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request, Response

from flows.ingestion.listing import list_sources, refusals
from flows.ingestion.loader import load
from tests.conftest import settings_in
from tests.flows.ingestion.made_files import make_pdf
from tests.serving import serving
from tools.access.identity import LOCAL
from tools.settings import Settings

FILES = {
    "file-1": ("informe año.pdf", make_pdf("La sede esta en Vigo.", "El presupuesto fue de 12.000 euros.")),
    "file-2": ("ventas.csv", b"mes,total\nenero,10\nfebrero,20\n"),
    "file-3": ("x.exe", b"MZ"),
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An API that gives its files to ana alone."""
    settings = settings_in(tmp_path_factory.mktemp("upload"), act_as="default/ana/user")
    app = FastAPI()

    def is_ana(request: Request) -> bool:
        caller = settings.signer.verify(request.headers.get("authorization", "").removeprefix("Bearer "))
        return (caller or LOCAL).user == "ana"

    @app.get("/v1/files/{file_id}")
    async def about(file_id: str, request: Request, response: Response) -> dict[str, str]:
        response.status_code = 200 if file_id in FILES and is_ana(request) else 404
        return {"id": file_id, "filename": FILES[file_id][0]} if response.status_code == 200 else {}

    @app.get("/v1/files/{file_id}/content")
    async def content(file_id: str) -> Response:
        return Response(FILES[file_id][1])

    with serving(app, settings.ports.api):
        yield settings


def test_an_uploaded_pdf_and_table_become_documents_that_know_their_pages_and_rows(api: Settings) -> None:
    listing = list_sources(["upload://file-1/informe_año.pdf", "upload://file-2/ventas.csv"], api, [])
    assert [file.id for file in listing.files] == [
        "upload://file-1/informe_año.pdf",
        "upload://file-2/ventas.csv",
    ]
    loaded = load(listing.files, api)
    assert loaded.failed == []
    report, table = loaded.documents
    assert {place.page for place in report.places} == {1, 2}
    assert "Vigo" in report.text
    assert table.title == "ventas"
    assert any(place.rows for place in table.places)
    assert report.origin is not None
    assert report.origin.source_uri == "upload://file-1/informe_año.pdf"


def test_what_is_not_there_not_ones_own_or_of_no_kind_is_refused_by_name(api: Settings) -> None:
    sources = ["upload://file-9/a.pdf", "upload://file-3/x.exe", "upload://../a.pdf"]
    listing = list_sources(sources, api, [])
    assert (listing.files, len(refusals(listing, "es"))) == ([], 3)
    other = api.model_copy(update={"act_as": "default/eva/user"})
    assert list_sources(["upload://file-1/informe_año.pdf"], other, []).files == []
