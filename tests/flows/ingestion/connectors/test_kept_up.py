"""Flow `ingest` over what lives: what did not change is not fetched, what left goes when that is asked."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from flows.ingest import ingest
from tests.conftest import free_ports
from tests.flows.fake_bridge import FakeBridge
from tests.flows.ingestion.connectors.test_web import Site
from tests.serving import serving


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    [port] = free_ports(1)
    site = Site(port)
    with serving(Starlette(routes=[Route("/{path:path}", site.answer, methods=["GET"])]), port):
        yield site


def mapped(site: Site, *names: str) -> str:
    """A sitemap of these pages; its address."""
    items = "".join(f"<url><loc>ROOT/{name}</loc></url>" for name in names)
    site.put("/sitemap.xml", f"<urlset>{items}</urlset>", "text/xml")
    return f"{site.root}/sitemap.xml"


async def test_a_site_is_kept_as_it_is(
    run, bridge: FakeBridge, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPIBARA6_FETCH", '{"allow": ["127.0.0.0/8"]}')
    for name in ("uno", "dos", "tres"):
        site.put(f"/{name}", f"<h1>{name}</h1><p>El texto de {name}.</p>")
    request = {"sources": [mapped(site, "uno", "dos", "tres")], "collection": "of_a_site", "prune": True}
    first = await (await run(ingest, **request)).aresult()
    assert sorted(first.added) == [f"{site.root}/{name}" for name in ("dos", "tres", "uno")]

    site.put("/dos", "<h1>dos</h1><p>Otro texto.</p>")
    again = await (await run(ingest, **request)).aresult()
    assert (again.changed, sorted(again.unchanged)) == (
        [f"{site.root}/dos"],
        [f"{site.root}/tres", f"{site.root}/uno"],
    )
    assert (site.asked["/uno", 200], site.asked["/uno", 304]) == (1, 1)

    del bridge.collections["of_a_site"][f"{site.root}/uno"]
    mapped(site, "uno", "dos")
    last = await (await run(ingest, **request, max_delete_share=0.5)).aresult()
    assert (last.added, last.deleted) == ([f"{site.root}/uno"], [f"{site.root}/tres"])
    assert site.asked["/uno", 200] == 2, "what the store has lost is fetched, whatever its server says"

    gone = await (
        await run(ingest, sources=request["sources"], collection="of_a_site", forget=True)
    ).aresult()
    assert sorted(gone.deleted) == [f"{site.root}/dos", f"{site.root}/uno"]
    assert bridge.collections["of_a_site"] == {}


async def test_what_brought_nothing_takes_nothing_with_it(run, bridge: FakeBridge, folder: Path) -> None:
    bridge.put("of_others", {"id": "notes/es/uno.md", "text": "of another source"})
    state = await run(ingest, sources=[str(folder)], collection="of_others", forget=True)
    assert "nada que ingerir" in state.message
    assert list(bridge.collections["of_others"]) == ["notes/es/uno.md"]
