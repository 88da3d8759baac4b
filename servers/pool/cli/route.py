"""`capibara6 route "…"`: the routing decision for one question as a table, or as JSON; `--curve` draws what
quality costs, `--feedback` and `--reset` show and forget what this house has taught."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from servers.pool.catalog.catalog import load_user_catalog
from servers.pool.catalog.routing_options import RoutingOptions
from servers.pool.routing.choose import choose
from servers.pool.routing.classifier import DOMAINS, WEIGHTS, classify
from servers.pool.routing.features import extract_features
from servers.pool.routing.policy import PoolState
from servers.pool.routing.quality import Point, apgr
from servers.pool.routing.quality import curve as points_of
from tools.clients.pool import open_pool
from tools.errors import Unavailable
from tools.schema import Language, Route
from tools.settings import Settings, load_command_settings

BAR = 40
MAX_SIGNALS = 10
"""So many features are shown, after the four domains' chances."""
HEADERS: dict[Language, tuple[str, str]] = {"es": ("Señal", "Peso"), "en": ("Signal", "Weight")}
LABELS: dict[Language, dict[str, str]] = {
    "es": {
        "wanted": "Merece",
        "model": "Responde",
        "reasons": "Porque",
        "alternatives": "Otras opciones",
        "difficulty": "Dificultad",
        "offline": "La pool no responde: se decide aquí, como si todos los modelos estuvieran disponibles.",
        "curve": "calidad · al fuerte · aciertos · de la mejora (┃ al azar)",
        "area": "APGR {area:.3f} (al azar 0.500)",
        "file": "{outcomes} resultados",
        "options": "{outcomes} preguntas con opciones, no vistas al ajustar",
        "told": "{outcomes} problemas contados, no vistos al ajustar",
        "other": "{outcomes} preguntas de otra forma, no vistas al ajustar",
        "empty": "falta la pregunta",
        "down": "La pool no responde: lo aprendido está en ella.",
        "heard": "{events} opiniones: {signals}",
        "part": "{name}: {events} con que ajustar, mejora {gain} ± {error} sobre lo no visto → {state}",
        "True": "en uso",
        "False": "sin usar",
        "unread": "no es un fichero de resultados (JSON por líneas con prompt, weak y strong)",
    },
    "en": {
        "wanted": "Deserves",
        "model": "Served by",
        "reasons": "Because",
        "alternatives": "Alternatives",
        "difficulty": "Difficulty",
        "offline": "The pool does not answer: decided here, as if every model were available.",
        "curve": "quality · to the strong · right · of the gain (┃ by chance)",
        "area": "APGR {area:.3f} (0.500 by chance)",
        "file": "{outcomes} outcomes",
        "options": "{outcomes} questions with options, not seen when fitted",
        "told": "{outcomes} problems told in words, not seen when fitted",
        "other": "{outcomes} questions of another form, not seen when fitted",
        "empty": "the question is missing",
        "down": "The pool does not answer: what was learnt is kept there.",
        "heard": "{events} opinions: {signals}",
        "part": "{name}: {events} to fit, gains {gain} ± {error} on what it has not seen → {state}",
        "True": "in use",
        "False": "not used",
        "unread": "is no file of outcomes (JSON lines with prompt, weak and strong)",
    },
}


Quality = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="De lo más barato (0) a lo mejor (1) · from the cheapest (0) to the best (1)"
    ),
]
Curve = Annotated[
    bool,
    typer.Option(
        "--curve",
        help="Dibuja qué cuesta y qué gana cada calidad: lo medido al ajustar el enrutador o, con un fichero "
        "(JSON por líneas: prompt, weak, strong), sobre sus resultados · draws what each quality costs and "
        "gains: as measured when the router was fitted or, with a file, on its outcomes",
    ),
]
FeedbackOption = Annotated[
    bool,
    typer.Option(
        "--feedback",
        help="Lo que esta casa ha enseñado al enrutador: cuántas opiniones, qué corrigen y si ganan sobre lo "
        "no visto · what this house has taught the router, and whether it wins on what it has not seen",
    ),
]
Reset = Annotated[
    bool,
    typer.Option(
        "--reset",
        help="Olvida lo aprendido de esta casa: el enrutador vuelve a ser el de fábrica · forget what was "
        "learnt: the router is as it was shipped",
    ),
]
Question = Annotated[
    str,
    typer.Argument(
        help="La pregunta; con --curve, un fichero de resultados · "
        "the question; with --curve, a file of outcomes"
    ),
]


def route(
    question: Question = "",
    quality: Quality = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="La decisión completa · the whole decision")
    ] = False,
    curve: Curve = False,
    feedback: FeedbackOption = False,
    reset: Reset = False,
) -> None:
    """Qué modelo merece una pregunta, y por qué · which model a question deserves, and why."""
    settings = load_command_settings()
    if feedback or reset:
        inspect(settings, Console(), reset=reset, as_json=as_json)
        return
    if curve:
        draw(Path(question) if question else None, settings.language, Console())
        return
    if not question.strip():
        raise typer.BadParameter(LABELS[settings.language]["empty"], param_hint="question")
    decision, offline = asyncio.run(_decide(settings, question, quality))
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
    if decision.difficulty is not None:
        console.print(f"{labels['difficulty']}: {decision.difficulty:.0%}")
    console.print(f"{labels['model']}: [bold]{escape(decision.model)}[/]")
    console.print(f"{labels['reasons']}: {escape('; '.join(decision.reasons))}")
    console.print(f"{labels['alternatives']}: {escape(', '.join(decision.alternatives))}")
    table = Table(*HEADERS[language])
    for name, weight in list(decision.signals.items())[: MAX_SIGNALS + len(DOMAINS)]:
        table.add_row(name, f"[{'green' if weight >= 0 else 'red'}]{weight:+.3f}[/]")
    console.print(table)


def inspect(settings: Settings, console: Console, *, reset: bool, as_json: bool) -> None:
    """Print what this house's feedback has taught the router, after forgetting it when `reset`. Raises
    typer.Exit when no pool runs."""
    labels = LABELS[settings.language]
    try:
        house = asyncio.run(_house(settings, reset=reset))
    except Unavailable as exc:
        Console(stderr=True).print(f"[red]✗[/] {labels['down']}")
        raise typer.Exit(1) from exc
    if as_json:
        typer.echo(json.dumps(house, ensure_ascii=False, indent=2))
        return
    signals = ", ".join(f"{name} {count}" for name, count in house["signals"].items()) or "-"
    console.print(labels["heard"].format(events=house["events"], signals=signals))
    for name in ("kind", "difficulty"):
        if part := house[name]:
            console.print(labels["part"].format(name=name, state=labels[str(part["used"])], **part))
    if house["correction"]:
        console.print_json(data=house["correction"])


async def _house(settings: Settings, *, reset: bool) -> dict[str, Any]:
    async with open_pool(settings) as pool:
        return await (pool.reset_feedback() if reset else pool.route_feedback())


def draw(outcomes: Path | None, language: Language, console: Console) -> None:
    """Print the curve of quality on outcomes, without a file those of the training card that the weights had
    not seen. Raises typer.Exit for a file that is none."""
    labels = LABELS[language]
    if outcomes is None:
        card = json.loads(WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))
        for form, drawn in card["curves on folds that were not fitted"].items():
            console.print(labels[form].format(**drawn), highlight=False)
            _plot([Point(*point) for point in drawn["points"]], drawn["apgr"], labels, console)
        return
    try:
        rows = _read(outcomes)
        weak, strong = [float(row["weak"]) for row in rows], [float(row["strong"]) for row in rows]
        difficulty = [classify(extract_features(row["prompt"])).difficulty for row in rows]
        area = apgr(difficulty, weak, strong)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        Console(stderr=True).print(f"[red]✗[/] {escape(str(outcomes))}: {labels['unread']}")
        raise typer.Exit(1) from exc
    console.print(labels["file"].format(outcomes=len(rows)), highlight=False)
    _plot(points_of(difficulty, weak, strong), area, labels, console)


def _plot(points: Sequence[Point], area: float, labels: dict[str, str], console: Console) -> None:
    """A line for each wish: what is sent to the strong model, what is right, and as a bar the share of the
    gain, with a mark where sending as many by chance would end; below the area under it."""
    console.print(f"[dim]{labels['curve']}[/]")
    for point in points:
        bar = list("█" * round(BAR * max(0.0, min(1.0, point.recovered))))
        bar += " " * (BAR + 1 - len(bar))
        bar[round(BAR * point.strong_share)] = "┃"
        shares = f"{point.strong_share:7.1%} {point.accuracy:7.1%} {point.recovered:7.1%}"
        console.print(f"{point.quality:4.1f} {shares}  {''.join(bar).rstrip()}", highlight=False)
    console.print(labels["area"].format(area=area), highlight=False)


def _read(outcomes: Path) -> list[dict[str, Any]]:
    with outcomes.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


async def _decide(settings: Settings, question: str, quality: float | None) -> tuple[Route, bool]:
    """The pool's decision, or the same one taken here when no pool runs."""
    messages = [{"role": "user", "content": question}]
    try:
        async with open_pool(settings) as pool:
            return await pool.route(messages, quality=quality), False
    except Unavailable:
        catalog = load_user_catalog(settings)
        ids = frozenset(catalog.ids)
        options = RoutingOptions(quality=quality)
        return choose(messages, catalog, PoolState(available=ids, loaded=ids), options), True
