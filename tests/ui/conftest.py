"""A real UI on a free port, over a small real API that speaks the agents' wire, and Chromium if present."""

import asyncio
import shutil

import pytest
from fastapi import Request

from servers.speech.main import build_app as build_speech
from tests.conftest import settings_in
from tests.ports import free_ports
from tests.serving import serving
from tests.ui.pages.hostile import hostile_events
from tests.ui.people import PEOPLE, place
from tests.ui.threads import build_threads_api
from tools.errors import ModelUnavailable, UpstreamFailed
from tools.schema import Citation, Route
from ui.main import build_app

CITATIONS = [
    Citation(
        n=1,
        title="Modelos y enrutado",
        source="knowledge/modelos.md",
        document_id="modelos",
        text="El servidor tiene como máximo tres modelos cargados a la vez.\nSi hace falta otro, suelta uno.",
    ),
    Citation(
        n=2,
        title="Operations <b>guide</b>",
        source="knowledge/operations.md",
        document_id="operations",
        text="A model is unloaded after 300 s without requests.",
    ),
]
ATTACHED = [
    CITATIONS[0].model_copy(
        update={"title": "informe", "source": "upload://file-1/informe.pdf", "page": 2, "document_id": "f"}
    ),
    CITATIONS[1].model_copy(
        update={"title": "ventas", "source": "upload://file-2/ventas.xlsx", "sheet": "Ventas", "rows": (2, 3)}
    ),
]
ROUTE = Route(wanted="phi4_fast", model="extractive", confidence=0.82, reasons=["short factual question"])
ANSWERS = {
    "es": "El servidor puede tener **tres modelos** cargados a la vez [1]. Salen tras 300 s sin uso [2].",
    "en": "The server keeps up to **three models** loaded [1]. Each is unloaded after 300 s without use [2].",
}
CODE = "Así:\n\n```python\nprint('hola')\n```\n\nA cada uno le toca $\\frac{a}{b}$, sea por $5 o por $6."
HOSTILE = (
    "Hola ![x](http://evil.example/p.png) [pulsa](http://evil.example/q) <img src=http://evil.example/r.png "
    "onerror=\"document.title='hacked'\"> <script>document.title='hacked'</script> "
    "${document.title='hacked'} {{document.title='hacked'}} [1]"
)


def build_api(settings, connections):
    """A small API; `connections` gets the caller's port of each question."""
    app = build_threads_api(settings, said)

    @app.middleware("http")
    async def note(request: Request, call_next):
        if request.url.path.endswith("/runs/stream") and request.client is not None:
            connections.append(request.client.port)
        return await call_next(request)

    return app


async def said(run):
    question = run.row.request["messages"][-1]["content"]
    if "averiado" in question:
        raise ModelUnavailable("no model can serve", source="pool")
    if "ataques" in question:
        for event in hostile_events():
            yield event
        return
    text = ANSWERS["en" if "how" in question.lower() else "es"]
    text = HOSTILE if "ataque" in question else text
    text = str(len(run.row.request["messages"])) if "cuántos mensajes" in question else text
    text = run.row.request["wishes"].get("model", "auto") if "qué modelo" in question else text
    attached = "lo adjunto" in question
    asked = run.row.request
    if "qué asistente" in question:
        text = f"{run.row.agent_id} en {' y '.join(asked['wishes'].get('collections', []))}"
    text = looked_at(run.row.request["wishes"]) if attached else text
    text = CODE if "código" in question or "code" in question else text
    yield {"event": "routed", "route": ROUTE.model_dump()}
    legs = {"dense": {"rank": 1, "score": 0.81}, "text": {"rank": 2, "score": 7.4}}
    known = ATTACHED if attached else CITATIONS
    found = [{**citation.model_dump(), "score": 0.9, "legs": legs} for citation in known]
    if "puede tener" in question:
        found.append({**found[0], "n": 3, "title": "Otro pasaje", "score": 0.2, "legs": {}})
    yield {"event": "retrieved", "query": question, "citations": found, "degraded": [], "took_ms": 12.0}
    for word in text.split(" "):
        yield {"event": "token", "text": f"{word} "}
        await asyncio.sleep(60 if "espera" in question else 0.5 if "despacio" in question else 0.01)
        if "corta" in question:
            raise UpstreamFailed("the answer was cut off", source="pool")
    timings = {"route": 3.1, "retrieve": 21.4, "answer": 140.2, "total": 168.0}
    whole = {
        "answer": text,
        "citations": [citation.model_dump() for citation in known],
        "model": "extractive",
        "agent": "capibara6",
        "route": ROUTE.model_dump(),
        "timings_ms": timings,
        "sentences": sentences(text),
    }
    yield {"event": "done", "answer": whole}


def looked_at(wishes):
    """Which collections a question is asked of."""
    return f"Busco en {' y '.join(wishes.get('collections', ['la habitual']))} [1]. También en la hoja [2]."


def sentences(text):
    """Each sentence of the answer, borne out by the first sentence of the passage it cites."""
    found, start = [], 0
    for part in text.split(". "):
        end = start + len(part)
        spans = [
            {"n": one.n, "start": 0, "end": one.text.index(".") + 1}
            for one in CITATIONS
            if f"[{one.n}]" in part
        ]
        supported = {"kind": "claim", "supported": bool(spans), "spans": spans}
        found.append({"start": start, "end": end, **supported})
        start = end + 2
    return found


@pytest.fixture(scope="session")
def connections():
    """The port from which each question came to the API."""
    return []


@pytest.fixture(scope="session")
def services(tmp_path_factory, connections):
    """Settings of a running API and speech server; the UI is not started."""
    settings = settings_in(tmp_path_factory.mktemp("services"))
    api, speech = build_api(settings, connections), build_speech(settings)
    with serving(api, settings.ports.api), serving(speech, settings.ports.speech):
        yield settings


@pytest.fixture(scope="session")
def running(services):
    """Settings whose `ui_url` answers."""

    async def build():
        return build_app(services)

    # Built outside a running loop, Gradio would make one of its own and never close it.
    with serving(asyncio.run(build()), services.ports.ui):
        yield services


@pytest.fixture(scope="session")
def issuer_port():
    """Every provider's, one after the other: they are one issuer, and their people stay the same."""
    return free_ports(1)[0]


@pytest.fixture(scope="session")
def here(stores):
    """A place with a key and three people."""
    with place(stores) as found:
        for name, role in PEOPLE.items():
            found.add(name, role)
        yield found


@pytest.fixture(scope="session")
def chromium():
    found = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    if found is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    return found
