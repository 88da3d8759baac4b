"""Sources that live: deployments of one person each, by command and over HTTP; removed again."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import SecretStr
from starlette.middleware.base import RequestResponseEndpoint
from typer.testing import CliRunner, Result

from flows.orchestration.source_commands import app as sources_app
from servers.api.http import sources as routes
from servers.web.app import error_response
from tests.flows.fake_bridge import FakeBridge
from tools.access.identity import LOCAL, SCOPES, Principal
from tools.clients.prefect import open_prefect
from tools.clients.source_blocks import block_name, read_credential
from tools.clients.sources import NewSource, Sources
from tools.errors import Capibara6Error, Conflict, NotFound
from tools.sections import Ingest
from tools.settings import Settings

ANA = Principal("huerta", "ana", "operator", SCOPES["operator"], "c6")
PASSWORD = "secreta-del-buzón-de-ana"


def api(settings: Settings, caller: Principal) -> httpx.AsyncClient:
    app = FastAPI()
    app.state.services = SimpleNamespace(settings=settings)
    app.include_router(routes.router)

    @app.middleware("http")
    async def known(request: Request, call_next: RequestResponseEndpoint):
        request.state.principal = caller
        return await call_next(request)

    @app.exception_handler(Capibara6Error)
    async def ours(_: object, exc: Capibara6Error):
        return error_response(exc)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api")


def sources(settings: Settings, *words: str, typed: str = "") -> Result:
    wide = {**settings.environment(), "COLUMNS": "400"}
    return CliRunner().invoke(sources_app, words, env=wide, input=typed)


async def test_a_source_is_its_owners_and_nobody_elses(paused: Settings, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    settings = paused.model_copy(update={"ingest": Ingest(roots=(tmp_path,))})
    body = {"address": str(tmp_path / "docs"), "every": "2h", "prune": True, "collection": "of_ana"}
    async with api(settings, ANA) as ana, api(settings, replace(ANA, user="berto")) as berto:
        made = await ana.post("/v1/sources", json=body)
        assert made.status_code == 201, made.text
        source = made.json()["source"]
        assert (source["name"], source["owner"], source["every_s"]) == ("docs", "huerta/ana", 7_200)
        assert (await berto.get("/v1/sources")).json() == {"sources": []}
        for method, path in (("GET", ""), ("POST", "/sync"), ("DELETE", "?documents=true")):
            assert (await berto.request(method, f"/v1/sources/docs{path}")).status_code == 404
        taken = await berto.post("/v1/sources", json=body)
        assert (taken.status_code, "already" in taken.json()["error"]["message"]) == (409, True)
        assert [item["name"] for item in (await ana.get("/v1/sources")).json()["sources"]] == ["docs"]
        async with open_prefect(settings) as prefect:
            kept = await prefect.deployment("ingest/source.huerta.docs")
            assert kept["job_variables"]["env"] == {"CAPIBARA6_ACT_AS": "huerta/ana/operator"}
            assert kept["parameters"]["within"] == [str(tmp_path)]
            assert await Sources(prefect, LOCAL).get("huerta/docs")
        other = replace(ANA, tenant="otra")
        async with api(settings, other) as elsewhere:
            assert (await elsewhere.post("/v1/sources", json=body)).status_code == 201, "of another tenant"
            assert (await elsewhere.delete("/v1/sources/docs")).status_code == 200
        assert (await ana.delete("/v1/sources/docs")).json() == {"removed": "docs", "run": None}
        assert (await ana.get("/v1/sources/docs")).status_code == 404
        assert (await ana.post("/v1/sources", json=body)).status_code == 201, "the name is free again"
        await ana.delete("/v1/sources/docs")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"address": "/etc"}, 403),
        ({"address": "docs"}, 403),
        ({"address": "ftp://a.example/x"}, 403),
        ({"address": "https://ana:x@a.example/"}, 400),
        ({"address": "https://a.example/", "every": "1s"}, 400),
        ({"address": "https://a.example/", "every": "often"}, 400),
        ({"address": "https://a.example/", "name": "Ma yor"}, 400),
        ({"address": "https://a.example/", "password": "x"}, 400),
        ({"address": "imaps://ana:secreta@mail.example.org/"}, 400),
        ({"address": "imaps://ana@mail.example.org/"}, 400),
        ({"address": "https://a.example/", "collection": "No"}, 422),
        ({"address": "https://a.example/", "credential": "source-x"}, 422),
        ({}, 422),
    ],
)
async def test_what_is_no_source_is_4xx(paused: Settings, body: dict[str, str], status: int) -> None:
    async with api(paused, ANA) as client:
        answer = await client.post("/v1/sources", json=body)
    assert answer.status_code == status, answer.text
    assert "secreta" not in answer.json()["error"]["message"] if status != 422 else True


async def test_a_password_is_kept_where_only_the_run_reads_it(paused: Settings) -> None:
    address = "imaps://ana@mail.example.org/INBOX"
    async with open_prefect(paused) as prefect:
        mine = Sources(prefect, ANA)
        new = NewSource(address=address, name="buzon", every="1h", password=SecretStr(PASSWORD))
        source, run = await mine.add(new)
        block = block_name("huerta", "buzon")
        assert run.parameters["credential"] == block
        found = await read_credential(prefect, block)
        assert (found.account, found.password.get_secret_value()) == (
            "imaps://ana@mail.example.org:993",
            PASSWORD,
        )
        seen = [await prefect.deployments(), await prefect.run(run.id), source, await mine.all()]
        seen.append(await prefect.call("POST", "/block_documents/filter", json={}))
        assert PASSWORD not in json.dumps(seen, default=str, ensure_ascii=False)
        with pytest.raises(Conflict):
            await mine.add(new)
        await mine.remove("buzon")
        with pytest.raises(NotFound):
            await read_credential(prefect, block)


def test_a_source_lives_from_the_command_line(deployed: Settings, bridge: FakeBridge, folder: Path) -> None:
    added = sources(deployed, "add", str(folder), "--collection", "of_a_source", "--every", "1h", "--wait")
    assert added.exit_code == 0, added.output
    assert "notes → of_a_source (cada · every 1h)" in added.output
    ids = [f"file://{folder}/es/uno.md", f"file://{folder}/two.txt"]
    assert sorted(bridge.collections["of_a_source"]) == ids
    listed = sources(deployed, "list").output
    assert "notes" in listed
    assert "añadidos" in listed, "how its last run ended"
    (folder / "two.txt").write_text("Changed.\n")
    synced = sources(deployed, "sync", "notes", "--wait")
    assert (synced.exit_code, "1 cambiados" in synced.output) == (0, True)
    again = sources(deployed, "add", str(folder))
    assert (again.exit_code, "already" in again.output) == (1, True)
    removed = sources(deployed, "remove", "notes", "--documents", "--wait")
    assert removed.exit_code == 0, removed.output
    assert bridge.collections["of_a_source"] == {}
    assert sources(deployed, "sync", "notes").exit_code == 1
