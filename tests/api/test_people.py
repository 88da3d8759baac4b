"""What the API holds of somebody, letters and flow runs included, is told and erased; others' things stay."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI, Request
from typer.testing import CliRunner

from flows.operations import letters
from servers.__main__ import app as command
from servers.api.main import build_app
from tests.agents.peers import Knobs
from tests.conftest import settings_in
from tests.serving import serving
from tools.access.identity import SCOPES, Principal
from tools.clients.sources import owner_tag
from tools.settings import Settings

WHO, OTHER = "quique@example.org", "eva@example.org"
FOUND = {
    "api": {"threads": 1, "runs": 1, "responses": 1, "facts": 2},
    "assistants": {"assistants": 1},
    "letters": {"letters": 2},
    "flows": {"runs": 2},
}


def person(name: str) -> Principal:
    return Principal("default", name, "user", SCOPES["user"], "session")


def flow_run(address: str, *tags: str) -> dict[str, Any]:
    parameters = {"email": address.title()} if address else {}
    about = {"id": str(uuid4()), "name": "x", "created": "2026-12-01", "tags": list(tags)}
    return {**about, "parameters": parameters}


@pytest.fixture
def runs() -> dict[str, dict[str, Any]]:
    """What Prefect knows: a lead of each, a run that one asked for, and one of nobody's."""
    rows = [flow_run(WHO), flow_run(OTHER), flow_run("", owner_tag(person(WHO))), flow_run("")]
    return {row["id"]: row for row in rows}


def build_prefect(runs: dict[str, dict[str, Any]]) -> FastAPI:
    """The wire of Prefect that the routes speak; each run left one artifact, whose id is the run's."""
    app = FastAPI()

    @app.post("/api/flow_runs/filter")
    async def search(request: Request) -> Any:
        asked = await request.json()
        wanted = set(asked.get("flow_runs", {}).get("tags", {}).get("all_", []))
        return [run for run in runs.values() if wanted <= set(run["tags"])]

    @app.post("/api/artifacts/filter")
    async def artifacts(request: Request) -> Any:
        (run_id,) = (await request.json())["artifacts"]["flow_run_id"]["any_"]
        return [{"id": run_id, "key": "lead", "data": runs[run_id]["parameters"]}]

    @app.delete("/api/artifacts/{key}", status_code=204)
    async def forget_artifact(key: str) -> None:
        runs[key]["artifact"] = "gone"

    @app.delete("/api/flow_runs/{key}", status_code=204)
    async def forget(key: str) -> None:
        assert runs.pop(key)["artifact"] == "gone", "an artifact outlives its run in Prefect"

    return app


@pytest.fixture
def place(
    peers: tuple[Settings, Knobs], knobs: Knobs, tmp_path: Any, runs: dict[str, dict[str, Any]]
) -> Iterator[Settings]:
    """An API of its own, where both people have said and left the same."""
    own = settings_in(tmp_path / "home").ports
    shared = peers[0].ports.model_copy(update={"api": own.api, "prefect": own.prefect})
    settings = settings_in(tmp_path / "home", ports=shared)
    with serving(build_prefect(runs), settings.ports.prefect), serving(build_app(settings), own.api):
        for name in (WHO, OTHER):
            leave(settings, name)
        yield settings


def leave(settings: Settings, name: str) -> None:
    """Something in every store."""
    shown = {"authorization": f"Bearer {settings.signer.sign(person(name))}"}
    with httpx.Client(base_url=settings.api_url, headers=shown, timeout=60, trust_env=False) as client:
        asked = {"messages": [{"role": "user", "content": "Recuerda que me gusta el té."}]}
        thread = client.post("/threads", json={}).json()["thread_id"]
        wanted = {"assistant_id": "capibara6", "input": asked}
        answers = [
            client.post(f"/threads/{thread}/runs/wait", json=wanted),
            client.put("/store/items", json={"namespace": ["notas"], "key": "a", "value": {"b": 1}}),
            client.post("/assistants", json={"graph_id": "capibara6", "name": "mío"}),
            client.post("/v1/responses", json={"model": "capibara6", "input": "Hola", "store": True}),
        ]
    assert [answer.status_code for answer in answers] == [200, 204, 200, 200], [a.text for a in answers]
    for key in ("uno", "dos"):
        letters.post(settings, letters.write("lead", f"{key}-{name}", name, "es", name="", message="Hola"))


def held(settings: Settings, name: str) -> dict[str, dict[str, int]]:
    answer = httpx.get(f"{settings.api_url}/api/people/{name}", timeout=60, trust_env=False)
    stores = answer.json().get("stores", {})
    counts = {store: {key: len(rows) for key, rows in tables.items()} for store, tables in stores.items()}
    return {store: tables for store, tables in counts.items() if tables}


def test_all_of_one_person_is_told_and_erased_and_nothing_of_the_other(
    place: Settings, runs: dict[str, dict[str, Any]]
) -> None:
    assert held(place, WHO) == FOUND
    before = held(place, OTHER)
    answer = httpx.delete(f"{place.api_url}/api/people/{WHO.upper()}", timeout=60, trust_env=False)
    assert {name: rows for name, rows in answer.json()["stores"].items() if rows} == FOUND
    assert held(place, WHO) == {}
    assert held(place, OTHER) == before == {**FOUND, "flows": {"runs": 1}}
    assert [run["parameters"] for run in runs.values()] == [{"email": OTHER.title()}, {}]
    left = b"".join(file.read_bytes() for file in place.home.glob("*.sqlite*"))
    assert OTHER.encode() in left
    again = httpx.delete(f"{place.api_url}/api/people/{WHO}", timeout=60, trust_env=False)
    assert (again.status_code, again.json()["error"]["param"]) == (404, "person")


def test_the_command_writes_what_there_is_and_erases_when_told(
    place: Settings, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters.deliver(place)  # without a mail server they lie in the mail box
    (place.home / "backups" / "ayer").mkdir(parents=True)
    (place.home / "backups" / "ayer" / "manifest.json").touch()
    for name, value in place.environment().items():
        monkeypatch.setenv(name, value)
    told = CliRunner().invoke(command, ["people", "export", WHO, "--out", str(tmp_path / "suyo.json")])
    assert told.exit_code == 0, told.output
    assert "Recuerda que me gusta el té." in (tmp_path / "suyo.json").read_text()
    assert CliRunner().invoke(command, ["people", "erase", WHO], input="n\n").exit_code == 1
    done = CliRunner().invoke(command, ["people", "erase", WHO, "--yes"])
    assert "letters: letters 4" in done.output, done.output
    assert "ayer" in done.output, "older copies keep it, and that is said"
    assert [file for file in (place.home / "mail").iterdir() if WHO in file.read_text()] == []


def test_only_who_administers_reads_of_others(place: Settings) -> None:
    shown = {"authorization": f"Bearer {place.signer.sign(person(WHO))}"}
    for method in ("GET", "DELETE"):
        answer = httpx.request(method, f"{place.api_url}/api/people/{OTHER}", headers=shown, trust_env=False)
        assert answer.status_code == 403, answer.text
