"""`capibara6 route "…"`: the routing decision for one question as a table, or as JSON."""

import asyncio
import json
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from servers.pool.catalog.catalog import load_catalog
from servers.pool.routing.choose import choose
from servers.pool.routing.classifier import DOMAINS
from servers.pool.routing.policy import PoolState
from tools.clients.pool import open_pool
from tools.errors import Unavailable
from tools.schema import Language, Route
from tools.settings import Settings, load_settings

MAX_SIGNALS = 10
"""So many features are shown, after the four domains' chances."""
HEADERS: dict[Language, tuple[str, str]] = {"es": ("Señal", "Peso"), "en": ("Signal", "Weight")}
LABELS: dict[Language, dict[str, str]] = {
    "es": {
        "wanted": "Merece",
        "model": "Responde",
        "reasons": "Porque",
        "alternatives": "Otras opciones",
        "offline": "La pool no responde: se decide aquí, como si todos los modelos estuvieran disponibles.",
    },
    "en": {
        "wanted": "Deserves",
        "model": "Served by",
        "reasons": "Because",
        "alternatives": "Alternatives",
        "offline": "The pool does not answer: decided here, as if every model were available.",
    },
}


def route(
    question: Annotated[str, typer.Argument(help="La pregunta · the question")],
    as_json: Annotated[
        bool, typer.Option("--json", help="La decisión completa · the whole decision")
    ] = False,
) -> None:
    """Qué modelo merece una pregunta, y por qué · which model a question deserves, and why."""
    settings = load_settings()
    decision, offline = asyncio.run(_decide(settings, question))
    if as_json:
        typer.echo(json.dumps(decision.model_dump(), ensure_ascii=False, indent=2))
        return
    show(decision, settings.language, Console(), offline=offline)


def show(decision: Route, language: Language, console: Console, *, offline: bool = False) -> None:
    """Print a decision: models, reasons, and the features that contributed most; `offline`: decided here."""
    labels = LABELS[language]
    if offline:
        console.print(f"[yellow]{labels['offline']}[/]")
    console.print(f"{labels['wanted']}: [bold]{escape(decision.wanted)}[/] ({decision.confidence:.0%})")
    console.print(f"{labels['model']}: [bold]{escape(decision.model)}[/]")
    console.print(f"{labels['reasons']}: {escape('; '.join(decision.reasons))}")
    console.print(f"{labels['alternatives']}: {escape(', '.join(decision.alternatives))}")
    table = Table(*HEADERS[language])
    for name, weight in list(decision.signals.items())[: MAX_SIGNALS + len(DOMAINS)]:
        table.add_row(name, f"[{'green' if weight >= 0 else 'red'}]{weight:+.3f}[/]")
    console.print(table)


async def _decide(settings: Settings, question: str) -> tuple[Route, bool]:
    """The pool's decision, or the same one taken here when no pool runs."""
    messages = [{"role": "user", "content": question}]
    try:
        async with open_pool(settings) as pool:
            return await pool.route(messages), False
    except Unavailable:
        catalog = load_catalog(settings.pool.catalog)
        ids = frozenset(catalog.ids)
        return choose(messages, catalog, PoolState(available=ids, loaded=ids)), True
